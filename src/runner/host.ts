/** Core's EngineHost: a runner process for each placement, and one for each probe of the devices. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { asProxyError, ProxyError } from "../core/errors.ts";
import { kvBlocks } from "../core/kv-budget.ts";
import type { EncoderConverter, GgufConverter } from "../core/library.ts";
import type { EngineHost, Model, Observer } from "../core/ports.ts";
import type { Device, DeviceInfo } from "../core/request.ts";
import { findRuntime } from "../native/runtime-folder.ts";
import { ask } from "./ask.ts";
import { RunnerConnection } from "./connection.ts";
import { convertInRunner } from "./convert.ts";
import { Encoder } from "./encoder.ts";
import { RunnerPlacement } from "./placement.ts";
import { PrefillMemory } from "./prefill-memory.ts";

export interface EngineHostOptions {
  /** How this program starts itself; the hidden command's arguments are added. */
  readonly command: readonly string[];
  readonly observer: Observer;
  readonly limits: {
    /** 0: a share of the memory that there is. */
    readonly kvCacheBytes: number;
    readonly loadTimeoutMs: number;
    readonly inferenceTimeoutMs: number;
  };
  readonly emulateNpu: boolean;
  /** NPU_PROXY_RUNTIME_DIR. */
  readonly runtimeDirectory: string | undefined;
  readonly cacheDirectory: string;
  readonly compileCacheDirectory: string | undefined;
}

const PROBE_TIMEOUT_MS = 30_000;
const START_TIMEOUT_MS = 60_000;
const TOO_SLOW = new ProxyError("load_timeout", `An engine process did not start within ${START_TIMEOUT_MS / 1000} s.`);

export interface RunnerHost extends EngineHost, EncoderConverter, GgufConverter {
  /** The runtime folder, after what a release executable carries was unpacked into it. @throws ProxyError runtime_* */
  unpacked(): Promise<string>;
}

/** Starts runners. A runner that crashes, hangs or leaks takes nothing with it but its own requests. */
export function createEngineHost(options: EngineHostOptions): RunnerHost {
  const { observer, limits, emulateNpu } = options;

  const runtime = (): string =>
    findRuntime({ directory: options.runtimeDirectory, cacheDirectory: options.cacheDirectory });
  const spawn = (): RunnerConnection =>
    new RunnerConnection({
      command: [...options.command, "runner", "--runtime", runtime(), "--cache", options.cacheDirectory],
      observer,
    });

  /** A runner of a fresh installation unpacks the libraries before it loads them: the first one alone, then all others. */
  let unpacking: Promise<void> | undefined;
  const unpack = async (): Promise<void> => {
    const connection = spawn();
    try {
      await ask(connection, undefined, "started", START_TIMEOUT_MS, TOO_SLOW, new AbortController().signal);
    } finally {
      await connection.kill();
    }
  };
  const unpacked = async (): Promise<string> => {
    const folder = runtime();
    if (existsSync(folder)) return folder;
    unpacking ??= unpack().finally(() => {
      unpacking = undefined;
    });
    await unpacking;
    return folder;
  };
  const start = async (): Promise<RunnerConnection> => {
    await unpacked();
    return spawn();
  };

  const prefills = new PrefillMemory(options.cacheDirectory);
  const encoder = new Encoder(async () => {
    const connection = await start();
    const never = new AbortController().signal;
    await ask(connection, undefined, "started", START_TIMEOUT_MS, TOO_SLOW, never);
    return connection;
  });

  return {
    unpacked,
    encode: (model, prompt, signal) => encoder.encode(model, prompt, signal),
    close: () => encoder.close(),
    convertEncoder: async (directory, into, signal) =>
      await convertInRunner(await start(), { op: "convert", directory, into }, observer, signal),
    writeIr: async (directory, signal) =>
      await convertInRunner(await start(), { op: "write_ir", directory }, observer, signal),

    async devices(signal) {
      const connection = await start();
      try {
        const { devices } = await ask(
          connection,
          { op: "devices", emulateNpu },
          "devices",
          PROBE_TIMEOUT_MS,
          new ProxyError(
            "load_timeout",
            `Asking the drivers for their devices took over ${PROBE_TIMEOUT_MS / 1000} s.`,
          ),
          signal,
        );
        return devices as readonly DeviceInfo[];
      } finally {
        await connection.kill();
      }
    },

    async load(model: Model, device: Device, shape, signal) {
      const compileCache = await usableFolder(options.compileCacheDirectory);
      const prefillChunk = await prefills.recall(model, device);
      const connection = await start();
      const seconds = limits.loadTimeoutMs / 1000;
      try {
        const { info } = await ask(
          connection,
          {
            op: "load",
            options: {
              directory: model.directory,
              device,
              emulateNpu: emulateNpu && device === "NPU",
              ...shape,
              kvBlocks: kvBlocks({
                device,
                valuesPerToken: model.kvValuesPerToken ?? 0,
                contextLength: shape.contextLength,
                modelBytes: model.size,
                availableBytes: process.availableMemory(),
                wantedBytes: limits.kvCacheBytes,
              }),
              ...(prefillChunk !== undefined && { prefillChunk }),
              ...(model.tuning?.promptLookup && { promptLookup: true }),
              ...(model.tuning?.draft && { draftDirectory: model.tuning.draft.directory }),
              ...(compileCache !== undefined && { compileCache }),
            },
          },
          "ready",
          limits.loadTimeoutMs,
          new ProxyError(
            "load_timeout",
            `Loading '${model.name}' on ${device} took over ${seconds} s. NPU_PROXY_LOAD_TIMEOUT sets this time.`,
          ),
          signal,
        );
        observer.log("info", "model loaded", {
          model: model.name,
          device,
          pid: connection.pid,
          prefillChunk: info.prefillChunk,
        });
        if (prefillChunk === undefined) await prefills.keep(model, device, info.prefillChunk);
        return new RunnerPlacement(connection, info, limits.inferenceTimeoutMs);
      } catch (thrown) {
        await connection.kill();
        const error = asProxyError(thrown);
        observer.log("error", "load failed", { model: model.name, device, code: error.code, detail: error.detail });
        if (error.code !== "runner_crashed") throw error;
        throw new ProxyError(
          "model_not_loaded",
          `The engine process ended while it loaded '${model.name}' on ${device}; the server's log has its last words.`,
          { detail: error.detail ?? "", cause: error },
        );
      }
    },
  };
}

/** The folder, made where it is missing; undefined where that fails: compiling anew is slow and no error. */
async function usableFolder(folder: string | undefined): Promise<string | undefined> {
  if (folder === undefined) return undefined;
  return await mkdir(folder, { recursive: true }).then(
    () => folder,
    () => undefined,
  );
}
