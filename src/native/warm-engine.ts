/** A native engine whose first, slow inferences are behind it. */
import { ProxyError } from "../core/errors.ts";
import { deviceClass, type LoadOptions } from "../core/request.ts";
import type { Addon, EngineOptions, NativeEngine, NativeEvent, NativeSampling } from "./contract.ts";
import { nativeError } from "./errors.ts";
import { modelPath } from "./model-path.ts";
import { FIRST_CHUNK, prefillChunk } from "./prefill-chunk.ts";

/** The NPU's LLM path on the CPU, as OpenVINO's own tests run it. */
const NPU_ON_CPU = { NPU_USE_NPUW: "YES", NPUW_DEVICES: "CPU", NPUW_ONLINE_PIPELINE: "NONE" } as const;

/** Without it the CPU plugin's cache of compiled shapes grows with every new prompt length. */
const CPU_SHAPES_CACHED = 100;

/** Ids of the load's own requests; those of clients count up from 1. */
const WARM_UP = Number.MAX_SAFE_INTEGER;
const WARM_UP_TOKENS = 4;

/** What every request must carry on an engine that guesses tokens ahead: without it GenAI throws. */
export type Guesses = Pick<NativeSampling, "num_assistant_tokens" | "max_ngram_size">;

/** The guesses that a load's options ask for: none where it has neither prompt lookup nor a draft model. */
export function guesses({ promptLookup, draftDirectory }: LoadOptions): Guesses {
  if (promptLookup) return { num_assistant_tokens: 5, max_ngram_size: 3 };
  return draftDirectory === undefined ? {} : { num_assistant_tokens: 5 };
}

type OnEvent = (event: NativeEvent) => void;

export class WarmEngine {
  readonly native: NativeEngine;
  readonly #sink: { onEvent: OnEvent };
  readonly #guesses: Guesses;

  private constructor(native: NativeEngine, sink: { onEvent: OnEvent }, own: Guesses) {
    this.native = native;
    this.#sink = sink;
    this.#guesses = own;
  }

  /** @throws ProxyError model_not_loaded, device_error, runtime_failed */
  static async load(addon: Addon, options: LoadOptions, maxBatchedTokens: number): Promise<WarmEngine> {
    const sink: { onEvent: OnEvent } = { onEvent: () => undefined };
    const native = await addon
      .loadEngine(engineOptions(options, maxBatchedTokens), (events) => {
        for (const event of events) sink.onEvent(event);
      })
      .catch((error: unknown) => {
        throw nativeError(error);
      });
    const engine = new WarmEngine(native, sink, guesses(options));
    await engine.#run(await native.tokenizer.encode("Hello, how are you today?", true));
    return engine;
  }

  /** From now on events go to the engine's owner. */
  handOver(onEvent: OnEvent): void {
    this.#sink.onEvent = onEvent;
  }

  /** How many prompt tokens a step may take on this machine; the NPU's static shape has chunks of its own. */
  async measureChunk({ device, maxPromptTokens }: LoadOptions, current: number): Promise<number> {
    if (deviceClass(device) === "NPU") return current;
    const length = Math.min(FIRST_CHUNK, maxPromptTokens - WARM_UP_TOKENS);
    const text = await this.native.tokenizer.encode(
      "The quick brown fox jumps over the lazy dog. ".repeat(length),
      false,
    );
    await this.#run(text.slice(length, 2 * length)); // this length for the first time
    const ns = await this.#run(text.slice(0, length)); // another beginning: nothing comes from the prefix cache
    return prefillChunk(device, length, ns);
  }

  /** Generates four tokens; resolves with the ns that the first one took. */
  #run(prompt: Int32Array): Promise<number> {
    return new Promise((resolve, reject) => {
      let generated = 0;
      this.#sink.onEvent = (event) => {
        generated += event.tokens;
        if (event.finish === "error") reject(nativeError({ code: "load", message: event.message }));
        else if (event.finish && generated !== WARM_UP_TOKENS)
          reject(
            new ProxyError("runtime_failed", `The self-test asked for ${WARM_UP_TOKENS} tokens and got ${generated}.`),
          );
        else if (event.finish) resolve(event.promptNs ?? 0);
      };
      this.native.submit(WARM_UP, prompt, {
        max_new_tokens: WARM_UP_TOKENS,
        do_sample: false,
        ignore_eos: true,
        ...this.#guesses,
      });
    });
  }
}

/** The addon's options for a placement. */
export function engineOptions(options: LoadOptions, maxBatchedTokens: number): EngineOptions {
  const { device, emulateNpu, compileCache, promptLookup, draftDirectory, kvBlocks, ...shape } = options;
  const directory = modelPath(options.directory);
  const kind = deviceClass(device);
  // Compiling for a CPU takes no longer than reading the blob would.
  const cache = compileCache === undefined || kind === "CPU" || emulateNpu ? {} : { CACHE_DIR: compileCache };
  if (kind === "NPU")
    return {
      directory,
      device,
      pipeline: "static",
      capacity: shape.contextLength,
      properties: {
        MAX_PROMPT_LEN: shape.maxPromptTokens,
        MIN_RESPONSE_LEN: shape.contextLength + 1 - shape.maxPromptTokens,
        ...(emulateNpu && NPU_ON_CPU),
        ...cache,
      },
    };
  return {
    directory,
    device,
    pipeline: "batching",
    properties: {
      ...cache,
      ...(kind === "CPU" && { CPU_RUNTIME_CACHE_CAPACITY: CPU_SHAPES_CACHED }),
      ...(promptLookup && { prompt_lookup: true }),
    },
    ...(draftDirectory !== undefined && { draft: { directory: modelPath(draftDirectory) } }),
    scheduler: {
      maxBatchedTokens,
      maxSequences: 256,
      prefixCaching: true,
      maxBlocks: kvBlocks,
    },
  };
}
