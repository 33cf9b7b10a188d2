/** The composition root: where the parts that do not know each other meet. */
import { join, resolve } from "node:path";
import type { Config } from "../config.ts";
import type { Clock, Observer, Runtime } from "../core/ports.ts";
import { createRuntime } from "../core/runtime.ts";
import { createModelStore } from "../models/store.ts";
import { createEngineHost } from "../runner/host.ts";
import { createApp } from "../server/app.ts";
import { version } from "../version.ts";

/** Longest request body, in bytes. */
const MAX_BODY_BYTES = 64 << 20;

/** The demo model of a source checkout; in a release executable it lies in the runtime folder. */
const SOURCE_DEMO = join(import.meta.dir, "..", "..", "build", "demo-model", "model");

const clock: Clock = { now: () => Bun.nanoseconds(), date: () => new Date() };

/** The runtime that the settings describe; it starts nothing before it is asked. @throws ProxyError invalid_setting */
export function composeRuntime(config: Config, observer: Observer): Runtime {
  const limits = {
    tokenLimit: config.tokenLimit,
    maxPromptTokens: config.maxPromptLen,
    minResponseTokens: config.minResponseLen,
    maxOutput: config.maxOutput,
    kvCacheBytes: config.kvCacheSize * 2 ** 20,
    loadTimeoutMs: config.loadTimeoutMs,
    inferenceTimeoutMs: config.inferenceTimeoutMs,
  };
  const engines = createEngineHost({
    command: ownCommand(),
    observer,
    limits,
    emulateNpu: config.npuEmulation === "cpu",
    runtimeDirectory: config.runtimeDir ? resolve(config.runtimeDir) : undefined,
    cacheDirectory: config.folders.cache,
    compileCacheDirectory: join(config.folders.cache, "compiled"),
  });
  return createRuntime({
    models: createModelStore({
      directories: [config.folders.models],
      configDirectory: config.folders.config,
      builtin: async () => ({
        demo: Bun.isStandaloneExecutable ? join(await engines.unpacked(), "demo") : SOURCE_DEMO,
      }),
    }),
    engines,
    clock,
    observer,
    device: config.device,
    limits,
  });
}

/** The HTTP app over a runtime; it listens nowhere by itself. */
export function composeApp(config: Config, runtime: Runtime, observer: Observer): ReturnType<typeof createApp> {
  return createApp({
    runtime,
    observer,
    clock,
    version,
    ollamaVersion: config.ollamaVersion,
    // The address that it was told to listen on may be asked for by that name.
    allowedHosts: [...config.allowedHosts, config.host],
    maxBodyBytes: MAX_BODY_BYTES,
    slowReaderMs: config.slowReaderMs,
  });
}

/** How this program starts itself: the executable, and in a source checkout the file that it runs. */
function ownCommand(): readonly string[] {
  return Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, join(import.meta.dir, "..", "main.ts")];
}
