/** The composition root: where the parts that do not know each other meet. */
import { join, resolve } from "node:path";
import type { Config } from "../config.ts";
import { asProxyError } from "../core/errors.ts";
import type { ModelLibrary } from "../core/library.ts";
import type { Clock, ModelStore, Observer, Runtime } from "../core/ports.ts";
import { createRuntime } from "../core/runtime.ts";
import { createModelLibrary } from "../models/library.ts";
import { createConverter } from "../models/pull/convert.ts";
import { createEngineHost, type RunnerHost } from "../runner/host.ts";
import { createApp } from "../server/app.ts";
import { version } from "../version.ts";
import { isLoopback } from "./address.ts";

/** Longest request body, in bytes. */
const MAX_BODY_BYTES = 64 << 20;

/** The demo model of a source checkout; in a release executable it lies in the runtime folder. */
const SOURCE_DEMO = join(import.meta.dir, "..", "..", "build", "demo-model", "model");

const clock: Clock = { now: () => Bun.nanoseconds(), date: () => new Date() };

/** The models of this machine, and what runs them. */
export interface Models {
  readonly store: ModelStore;
  readonly library: ModelLibrary;
  readonly engines: RunnerHost;
}

/**
 * What the settings say about models; it starts nothing before it is asked.
 * @param devices what the library asks for this machine's devices, where somebody remembers them
 * @throws ProxyError invalid_setting
 */
export function composeModels(config: Config, observer: Observer, devices?: Runtime["devices"]): Models {
  const engines = createEngineHost({
    command: ownCommand(),
    observer,
    limits: limitsOf(config),
    emulateNpu: config.npuEmulation === "cpu",
    runtimeDirectory: config.runtimeDir ? resolve(config.runtimeDir) : undefined,
    cacheDirectory: config.folders.cache,
    compileCacheDirectory: join(config.folders.cache, "compiled"),
  });
  const { store, library } = createModelLibrary({
    directories: { models: config.folders.models, system: config.folders.systemModels },
    configDirectory: config.folders.config,
    cacheDirectory: config.folders.cache,
    endpoint: config.hubEndpoint,
    token: config.hubToken,
    observer,
    devices: async (signal) => {
      try {
        return await (devices?.(signal) ?? engines.devices(signal));
      } catch (error) {
        signal.throwIfAborted();
        // Without the native runtime models can still be found, described and pulled.
        observer.log("debug", "models are chosen without knowing the devices", { code: asProxyError(error).code });
        return [];
      }
    },
    ggufConverter: engines,
    converter: createConverter({ own: engines, mode: config.autoConvert }),
    builtin: async () => ({
      demo: Bun.isStandaloneExecutable ? join(await engines.unpacked(), "demo") : SOURCE_DEMO,
    }),
  });
  return { store, library, engines };
}

/** The runtime that the settings describe; it starts nothing before it is asked. @throws ProxyError invalid_setting */
export function composeRuntime(config: Config, observer: Observer): Runtime {
  const { store, library, engines } = composeModels(config, observer, (signal) => runtime.devices(signal));
  const runtime = createRuntime({
    models: store,
    library,
    engines,
    clock,
    observer,
    device: config.device,
    limits: limitsOf(config),
  });
  return runtime;
}

/**
 * The HTTP app over a runtime; it listens nowhere by itself.
 * @param inProcess nobody but this process reaches it: it may read the folders that its user may
 */
export function composeApp(
  config: Config,
  runtime: Runtime,
  observer: Observer,
  inProcess = false,
): ReturnType<typeof createApp> {
  return createApp({
    runtime,
    observer,
    clock,
    version,
    ollamaVersion: config.ollamaVersion,
    // The address that it was told to listen on may be asked for by that name.
    allowedHosts: [...config.allowedHosts, config.host],
    allowFolder: inProcess || isLoopback(config.host),
    maxBodyBytes: MAX_BODY_BYTES,
    slowReaderMs: config.slowReaderMs,
  });
}

function limitsOf(config: Config) {
  return {
    tokenLimit: config.tokenLimit,
    maxPromptTokens: config.maxPromptLen,
    minResponseTokens: config.minResponseLen,
    maxOutput: config.maxOutput,
    kvCacheBytes: config.kvCacheSize * 2 ** 20,
    loadTimeoutMs: config.loadTimeoutMs,
    inferenceTimeoutMs: config.inferenceTimeoutMs,
  };
}

/** How this program starts itself: the executable, and in a source checkout the file that it runs. */
function ownCommand(): readonly string[] {
  return Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, join(import.meta.dir, "..", "main.ts")];
}
