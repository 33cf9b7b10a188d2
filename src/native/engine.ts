/** One loaded placement over the addon: prompts in, the vocabulary's events out. */
import { ProxyError } from "../core/errors.ts";
import { deviceClass, type GenerateEvent, type LoadedInfo, type LoadOptions, type Sampling } from "../core/request.ts";
import { StopMatcher } from "../core/stops.ts";
import type { Addon, EngineOptions, NativeEngine, NativeEvent } from "./contract.ts";
import { nativeError } from "./errors.ts";
import { nativeSampling } from "./sampling.ts";

/** The NPU's LLM path on the CPU, as OpenVINO's own tests run it. */
const NPU_ON_CPU = { NPU_USE_NPUW: "YES", NPUW_DEVICES: "CPU", NPUW_ONLINE_PIPELINE: "NONE" } as const;

/** Without it the CPU plugin's cache of compiled shapes grows with every new prompt length. */
const CPU_SHAPES_CACHED = 100;

/** Tokens that one KV block holds on the CPU; the GPU's are 16: counted as 16, reservations are never too small. */
const KV_BLOCK: Readonly<Record<"GPU" | "CPU", number>> = { GPU: 16, CPU: 32 };

/** Tells the owner of a request what happens to it: events until `done`, or one error. */
export type Deliver = (id: number, event: GenerateEvent | ProxyError) => void;

interface Running {
  readonly promptTokens: number;
  readonly stops: StopMatcher;
  completionTokens: number;
  stopped: boolean;
}

export class ModelEngine {
  readonly info: LoadedInfo;
  readonly #native: NativeEngine;
  readonly #deliver: Deliver;
  readonly #running = new Map<number, Running>();

  private constructor(native: NativeEngine, info: LoadedInfo, deliver: Deliver) {
    this.#native = native;
    this.info = info;
    this.#deliver = deliver;
  }

  /**
   * Loads the model and runs four tokens through it, which both proves the declarations and pays for GenAI's slow first
   * inference. `deliver` is called with id 0 when the whole engine is broken.
   * @throws ProxyError load_failed, device_unavailable, runtime_failed
   */
  static async load(addon: Addon, options: LoadOptions, deliver: Deliver): Promise<ModelEngine> {
    let engine: ModelEngine | undefined;
    let warm: ((event: NativeEvent) => void) | undefined;
    const onEvents = (events: readonly NativeEvent[]): void => {
      for (const event of events) {
        if (event.id === WARM_UP) warm?.(event);
        else engine?.handle(event);
      }
    };
    const native = await addon.loadEngine(engineOptions(options), onEvents).catch((error: unknown) => {
      throw nativeError(error);
    });
    await new Promise<void>((resolve, reject) => {
      let generated = 0;
      warm = (event) => {
        generated += event.tokens;
        if (event.finish === "error") reject(nativeError({ code: "load", message: event.message }));
        else if (event.finish && generated !== WARM_UP_TOKENS)
          reject(
            new ProxyError("runtime_failed", `The self-test asked for ${WARM_UP_TOKENS} tokens and got ${generated}.`),
          );
        else if (event.finish) resolve();
      };
      native.tokenizer
        .encode("Hello, how are you today?", true)
        .then((ids) =>
          native.submit(WARM_UP, ids, { max_new_tokens: WARM_UP_TOKENS, do_sample: false, ignore_eos: true }),
        )
        .catch((error: unknown) => reject(nativeError(error)));
    });
    const info: LoadedInfo = { memoryBytes: process.memoryUsage.rss(), openvino: addon.openvino };
    engine = new ModelEngine(native, info, deliver);
    return engine;
  }

  /** @param ids shape [tokens]; it was checked against the placement's shape before it came here. */
  generate(id: number, ids: Int32Array, sampling: Sampling & { maxTokens: number }): void {
    const native = nativeSampling(sampling);
    this.#running.set(id, {
      promptTokens: ids.length,
      stops: new StopMatcher(sampling.stop ?? []),
      completionTokens: 0,
      stopped: false,
    });
    const submit = (): void => {
      if (this.#running.has(id)) this.#native.submit(id, ids, native); // else cancelled meanwhile
    };
    if (!native.structured) submit();
    // A bad grammar would throw inside step(), for everybody: it is found here, off the step thread.
    else
      this.#native
        .validateGrammar(native.structured)
        .then(submit)
        .catch((error: unknown) => this.#fail(id, error));
  }

  cancel(id: number): void {
    if (this.#running.delete(id)) this.#native.cancel(id);
  }

  stats(): { running: number; waiting: number; memoryBytes: number } {
    const { running, waiting } = this.#native.stats();
    return { running, waiting, memoryBytes: process.memoryUsage.rss() };
  }

  /** One event of the addon, as the request's owner sees it. */
  handle(event: NativeEvent): void {
    if (event.id === 0) this.#deliver(0, nativeError(event));
    else if (event.finish === "error") this.#fail(event.id, event);
    else {
      const request = this.#running.get(event.id);
      if (request) this.#tell(request, event);
    }
  }

  #fail(id: number, error: unknown): void {
    if (this.#running.delete(id)) this.#deliver(id, nativeError(error));
  }

  #tell(request: Running, event: NativeEvent): void {
    request.completionTokens += event.tokens;
    if (!request.stopped) this.#tellText(request, event);
    if (!event.finish) return;
    this.#running.delete(event.id);
    this.#deliver(event.id, {
      type: "done",
      reason: event.finish === "length" && !request.stopped ? "length" : "stop",
      usage: {
        promptTokens: request.promptTokens,
        completionTokens: request.completionTokens,
        promptNs: event.promptNs ?? 0,
        decodeNs: event.decodeNs ?? 0,
      },
    });
  }

  #tellText(request: Running, event: NativeEvent): void {
    const { text: matched, stopped } = request.stops.push(event.text);
    const text = event.finish && !stopped ? matched + request.stops.flush() : matched;
    const logprobs = event.logprobs?.map(([token, logprob]) => ({ token, logprob }));
    if (text !== "" || logprobs)
      this.#deliver(event.id, { type: "delta", text, tokens: event.tokens, ...(logprobs && { logprobs }) });
    if (!stopped) return;
    request.stopped = true;
    if (!event.finish) this.#native.cancel(event.id); // its last event follows, with the true count of tokens
  }
}

/** Id of the load's own request; those of clients count up from 1. */
const WARM_UP = Number.MAX_SAFE_INTEGER;
const WARM_UP_TOKENS = 4;

/** What GenAI is loaded with: pipeline, device properties and scheduler. Pure; the benchmark's bare pipeline has the same. */
export function engineOptions({ directory, device, emulateNpu, compileCache, ...shape }: LoadOptions): EngineOptions {
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
    properties: { ...cache, ...(kind === "CPU" && { CPU_RUNTIME_CACHE_CAPACITY: CPU_SHAPES_CACHED }) },
    scheduler: {
      maxBatchedTokens: 256,
      maxSequences: 256,
      prefixCaching: true,
      maxBlocks: Math.ceil((MOST_CONTEXTS * shape.contextLength) / KV_BLOCK[kind]),
    },
  };
}

/** KV cache that requests may reserve together, in whole contexts of the model. */
const MOST_CONTEXTS = 64;
