/** `npu-proxy serve`: the server, until a signal ends it. */
import type { Config } from "../config.ts";
import { asProxyError, ProxyError } from "../core/errors.ts";
import type { Observer, Runtime } from "../core/ports.ts";
import { createLog } from "../log.ts";
import { listen } from "../server/listen.ts";
import { openState } from "../state/state.ts";
import { version } from "../version.ts";
import { isLoopback, reachableHost } from "./address.ts";
import { composeApp, composeRuntime } from "./compose.ts";
import { errorText, exitCode } from "./exit-codes.ts";
import { print, printError, ReaderLeft } from "./output.ts";

const DEFAULT_HOST = "127.0.0.1";
const DEFAULT_PORT = 11_435;

/** What is served: the composition root's, or a test's. */
export interface Composition {
  readonly composeRuntime: typeof composeRuntime;
  readonly composeApp: typeof composeApp;
}

/**
 * Serves until SIGTERM or SIGINT, then stops accepting, lets running requests finish within the shutdown timeout and
 * resolves with 0; a second signal resolves at once with 130 (SIGINT) or 1 (SIGTERM). It answers from the start, and is
 * ready when the models to preload are loaded; where those are required and one cannot be, it says why and resolves
 * with 1.
 * @throws ProxyError address_in_use, address_unavailable, state_locked, or what the settings lead to
 */
export async function serve(config: Config, compose: Composition = { composeRuntime, composeApp }): Promise<number> {
  const log = createLog(config.logLevel);
  const state = config.state === "on" ? openState({ folder: config.folders.state, observer: log, version }) : undefined;
  try {
    const runtime = compose.composeRuntime(config, log, state);
    const signals = countSignals();
    const listener = await listen(compose.composeApp(config, runtime, log), { host: config.host, port: config.port });

    if (!isLoopback(config.host)) await printError(exposedWarning(config.host));
    try {
      await print(greeting(listener.url, config.host, listener.port));
    } catch (error) {
      if (!(error instanceof ReaderLeft)) throw error; // the server serves whoever reads its stdout
    }
    log.log("info", "listening", { url: listener.url, version });

    const stopping = new AbortController();
    const refused = warmUp(config, runtime, log, stopping.signal);
    const end = await Promise.race([signals.first, refused]);
    stopping.abort();
    if (end instanceof ProxyError) {
      await printError(errorText(end));
      await Promise.all([listener.stop(AbortSignal.abort()), runtime.close(AbortSignal.abort())]);
      return exitCode.failure;
    }
    const timeoutSeconds = config.shutdownTimeoutMs / 1000;
    log.log("info", "stopping: running requests may finish", { signal: end, timeoutSeconds });
    const deadline = AbortSignal.timeout(config.shutdownTimeoutMs);
    const drain = async (): Promise<number> => {
      await Promise.all([listener.stop(deadline), runtime.close(deadline)]);
      log.log("info", "stopped");
      return exitCode.ok;
    };
    return await Promise.race([drain(), signals.second]);
  } finally {
    state?.close();
  }
}

/** Gets the runtime ready. Resolves with the reason where it refuses to serve without a model, and else never. */
async function warmUp(config: Config, runtime: Runtime, log: Observer, stop: AbortSignal): Promise<ProxyError> {
  const { preload: models, skipWarmUp: skip, warmUpBudgetMs: budgetMs } = config;
  if (models.length > 0) log.log("info", "warming up", { models: models.join(",") });
  try {
    await runtime.warmUp({ models, skip, budgetMs, require: config.require === "on" }, stop);
    log.log("info", "ready");
  } catch (error) {
    if (!stop.aborted) return asProxyError(error);
  }
  return await new Promise<never>(() => undefined);
}

/** The first signal by name, the second as the exit code it means. */
function countSignals(): { readonly first: Promise<NodeJS.Signals>; readonly second: Promise<number> } {
  const first = Promise.withResolvers<NodeJS.Signals>();
  const second = Promise.withResolvers<number>();
  let count = 0;
  const receive = (signal: NodeJS.Signals): void => {
    count += 1;
    if (count === 1) first.resolve(signal);
    else second.resolve(signal === "SIGINT" ? exitCode.interrupted : exitCode.failure);
  };
  process.on("SIGTERM", receive);
  process.on("SIGINT", receive);
  return { first: first.promise, second: second.promise };
}

function greeting(url: string, host: string, port: number): string {
  const question = "What is the capital of France?";
  const program = Bun.isStandaloneExecutable ? "npu-proxy" : `npx --yes bun@${Bun.version} src/main.ts`;
  const address = reachableHost(host) === DEFAULT_HOST ? "" : ` --host ${host}`;
  const flags = port === DEFAULT_PORT ? address : `${address} --port ${port}`;
  const body = JSON.stringify({ model: "demo", messages: [{ role: "user", content: question }], stream: false });
  return `npu-proxy ${version} listens on ${url}

Try it:
  ${program} run${flags} demo "${question}"
  curl ${url}/api/chat -d '${body}'
`;
}

function exposedWarning(host: string): string {
  return `
WARNING: npu-proxy listens on ${host}, not only on this machine. It has no keys yet: whoever reaches this address
can use it. Requests must name a host in --allowed-hosts. Without --host it listens on 127.0.0.1 alone.

`;
}
