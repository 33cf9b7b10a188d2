/** Finds what answers a command: the running server, or the same app inside this process. */
import type { Config } from "../config.ts";
import { compileAhead } from "../core/compile-ahead.ts";
import { ProxyError } from "../core/errors.ts";
import type { Observer } from "../core/ports.ts";
import { isLoopback, reachableHost, serverUrl } from "./address.ts";
import { Client, unexpectedAnswer } from "./client.ts";

/** How the app logs an error that it answers with (server/errors.ts). */
const REQUEST_FAILED = "request failed";

/** How long a server may take to say its version. */
const PROBE_TIMEOUT_MS = 10_000;

/**
 * A client of the server that the settings point at; undefined where none answers on this machine.
 * @throws ProxyError server_unreachable where another machine's does not answer, or something else does
 */
export async function connectServer(config: Config, signal: AbortSignal): Promise<Client | undefined> {
  if (config.port === 0) return undefined;
  const host = reachableHost(config.host);
  const base = serverUrl(host, config.port);
  const client = new Client({ base, inProcess: false, send: (request) => sendTo(request, isLoopback(host)) });
  const patience = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  try {
    await client.version(AbortSignal.any([signal, patience]));
    return client;
  } catch (error) {
    signal.throwIfAborted();
    if (isRefusal(error) && isLoopback(host)) return undefined;
    if (patience.aborted || (error instanceof ProxyError && error.code !== "server_unreachable"))
      throw unexpectedAnswer(base);
    throw error;
  }
}

/** A client of the running server, or of the app in this process where none runs. The caller closes it. */
export async function openClient(config: Config, signal: AbortSignal): Promise<Client> {
  const server = await connectServer(config, signal);
  if (server) return server;
  const [{ composeApp, composeRuntime }, { createLog }] = await Promise.all([
    import("./compose.ts"),
    import("../log.ts"),
  ]);
  const log = createLog(config.logLevel);
  let detail: string | undefined;
  const observer: Observer = {
    log(level, message, fields) {
      // The command itself tells that its request failed.
      if (message === REQUEST_FAILED) detail = fields?.["detail"]?.toString();
      else log.log(level, message, fields);
    },
  };
  const runtime = composeRuntime(config, observer);
  const app = composeApp(config, runtime, observer, true);
  return new Client({
    base: "http://localhost",
    inProcess: true,
    send: (request) => app.fetch(request),
    detail: () => detail,
    compileAhead: (model, starting, whenLeft) => compileAhead(runtime, model, starting, whenLeft),
    close: () => runtime.close(AbortSignal.abort()),
  });
}

/** Loopback is reached directly: a proxy in the environment cannot reach it, and must not see what is asked there. */
async function sendTo(request: Request, direct: boolean): Promise<Response> {
  try {
    return await fetch(request, direct ? { proxy: false, timeout: false } : { timeout: false });
  } catch (error) {
    if (request.signal.aborted) throw error;
    const { origin } = new URL(request.url);
    throw new ProxyError("server_unreachable", `No npu-proxy answers at ${origin}. Start it with: npu-proxy serve`, {
      cause: error,
    });
  }
}

/** Nobody listens there, as opposed to somebody who does not behave. */
function isRefusal(error: unknown): boolean {
  return error instanceof ProxyError && (error.cause as { code?: unknown } | undefined)?.code === "ECONNREFUSED";
}
