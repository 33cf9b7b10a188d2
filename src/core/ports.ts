/** What core needs from the outside, implemented by models/, runner/, log.ts and the clock of the composition root. */

import type { Embeddings, EmbedRequest, Purpose, Ranking, RerankRequest } from "./embedding/embedding.ts";
import type { ProxyError } from "./errors.ts";
import type { Fitness, ModelKind, ModelLibrary, Recipe, Source } from "./library.ts";
import type {
  Device,
  DeviceInfo,
  EncodedPrompt,
  EngineStats,
  GenerateEvent,
  GenerateRequest,
  LoadedInfo,
  Prompt,
  Sampling,
} from "./request.ts";
import type { Limits } from "./routing/limits.ts";
import type { RouteDecision } from "./routing/route.ts";
import type { Phase, Pressure } from "./scheduling/schedule.ts";

/** A model on disk, as its own files describe it. */
export interface Model {
  /** As listings print it, always with its tag: "demo:latest". */
  readonly name: string;
  /** Local folder; for the runner only, never in an answer. */
  readonly directory: string;
  /** 64 hex digits over the model's files: changes when they do. */
  readonly digest: string;
  /** Sum of its files, in bytes. */
  readonly size: number;
  readonly modified: Date;
  readonly family: string;
  /** E.g. "1.1B", "1.7M"; counted from the weights. */
  readonly parameterSize: string;
  /** E.g. "INT8", as found in the weights. */
  readonly quantization: string;
  /** Longest prompt + answer, in tokens. */
  readonly contextLength: number;
  readonly embeddingLength: number;
  /** Numbers that one token leaves in the KV cache; 0 or absent where its config does not tell. */
  readonly kvValuesPerToken?: number;
  readonly chatTemplate: string;
  /** The sampling parameters of its generation_config.json. */
  readonly defaults: Sampling;
  /** Absent: nothing was set. */
  readonly tuning?: ModelTuning;
  readonly kind: ModelKind;
  /** As its config.json or GGUF header says: "LlamaForCausalLM"; "" where it does not. */
  readonly architecture: string;
  /** Number of weights. */
  readonly parameters: number;
  /** Weights that share a scale, as the IR's rt_info says; -1 is channel-wise; absent where not quantized or not told. */
  readonly groupSize?: number;
  readonly symmetric?: boolean;
  /** "openvino" (a folder in OpenVINO's layout) or "gguf" (one file, read by GenAI). */
  readonly format: "openvino" | "gguf";
  /** Ollama's words: completion, tools, thinking, vision, embedding, insert; ours besides: rerank. */
  readonly capabilities: readonly string[];
  /** What its chat template takes: "tools", "thinking", "system"; absent: not known. */
  readonly templateSupport?: readonly string[];
  /** Of an embedding: how token vectors become one. */
  readonly pooling?: "mean" | "cls" | "last";
  /** Of an embedding: what goes before a text (prompts of config_sentence_transformers.json); `default`: where nobody says. */
  readonly instructions?: { readonly query?: string; readonly document?: string; readonly default?: Purpose };
  /** Of an embedding: shorter vectors than its own mean something too (Matryoshka). */
  readonly shortens?: boolean;
  /** Versions that wrote it, as rt_info tells: { openvino: "2026.1.0", optimum: "1.2" }. */
  readonly exporter?: Readonly<Record<string, string>>;
  /** For NPU, GPU and CPU, in this order. */
  readonly fitness: readonly Fitness[];
  /** Absent: nobody recorded it (a folder put there by hand). */
  readonly source?: Source;
  /** Absent: a model of its own. */
  readonly recipe?: Recipe;
  /** The text of its licence file, or its name; absent: not told. */
  readonly license?: string;
  readonly pulledAt?: Date;
}

/** What the user set for one model (models.json in the config folder). */
export interface ModelTuning {
  /** A chat template (Jinja) in the place of the model's own. */
  readonly chatTemplate?: string;
  readonly promptLookup?: boolean;
  /** Limits of its own in the place of the settings': npu_token_limit, npu_max_prompt_len, npu_min_response_len. */
  readonly limits?: Partial<Omit<Limits, "maxOutput">>;
  /** Never unloaded by itself once it is loaded. */
  readonly pin?: boolean;
  /** Name and folder of the draft model. */
  readonly draft?: { readonly name: string; readonly directory: string };
}

/** A folder of the store that a model lies in and that cannot be read. */
export interface DamagedModel {
  /** As listings would print it. */
  readonly name: string;
  /** A sentence without a path. */
  readonly reason: string;
}

/** All that the store holds, by one look at its folders. */
export interface Inventory {
  /** The last changed first. */
  readonly models: readonly Model[];
  readonly damaged: readonly DamagedModel[];
}

export interface ModelStore {
  inventory(): Promise<Inventory>;
  /** The models of the inventory: every one whose folder can be read. */
  list(): Promise<readonly Model[]>;
  /** @throws ProxyError model_not_found (with the nearest names), model_invalid */
  get(name: string): Promise<Model>;
  /** A model has answered: the revision that it replaced is no longer needed. Never throws. */
  answered(model: Model): void;
}

/** One loaded placement: a model on a device. */
export interface Engine {
  readonly info: LoadedInfo;
  /**
   * Starts at once; leaving the loop early, or the signal, cancels. Ends after `done`, or throws a ProxyError.
   * @param onDone called when the engine is done with it: its last events may not have been read yet
   */
  generate(
    prompt: EncodedPrompt,
    sampling: Sampling & { readonly maxTokens: number },
    signal: AbortSignal,
    onDone?: () => void,
  ): AsyncIterable<GenerateEvent>;
  /** As it said last; at most a few seconds old while it works. */
  readonly stats: EngineStats | undefined;
  /** Settles when the engine is gone: with the reason where that was not asked for. */
  readonly closed: Promise<ProxyError | undefined>;
  close(): Promise<void>;
}

/** A placement's size, in tokens: its longest prompt, and its longest prompt + answer. */
export interface Shape {
  readonly maxPromptTokens: number;
  readonly contextLength: number;
}

/** How a placement is loaded. */
export interface LoadPlan {
  readonly shape: Shape;
  /** KV tokens that its running requests may reserve together; undefined: static (NPU). */
  readonly kvTokens: number | undefined;
}

/** Memory of the machine, or of the control group that this process may use, in bytes. */
export interface MemoryState {
  /** What can be taken without swapping. */
  readonly availableBytes: number;
  readonly totalBytes: number;
}

export interface Machine {
  memory(): MemoryState;
}

export interface EngineHost {
  /** The devices of this machine, found anew by a process of their own at each call. */
  devices(signal: AbortSignal): Promise<readonly DeviceInfo[]>;
  /** Renders and encodes a prompt, before any placement is loaded.
   *  @throws ProxyError invalid_template, model_invalid, runtime_* */
  encode(model: Model, prompt: Prompt, signal: AbortSignal): Promise<EncodedPrompt>;
  /** @throws ProxyError model_not_loaded, load_timeout, device_error, device_lost, insufficient_memory,
   *  model_unfit (the load-time probe found wrong answers), model_invalid, runtime_* */
  load(model: Model, device: DeviceInfo, plan: LoadPlan, signal: AbortSignal): Promise<Engine>;
  /** Whether its load will compile nothing: a blob of this model in this shape is kept. */
  isCompiled(model: Model, device: DeviceInfo, shape: Shape): boolean;
  /** Ends what encodes. */
  close(): Promise<void>;
}

export interface Clock {
  /** Monotonic, in nanoseconds. */
  now(): number;
  /** Wall clock. */
  date(): Date;
}

export interface Timers {
  /** Calls `run` once, after so many ms; the returned function takes that back. Keeps no process alive. */
  after(ms: number, run: () => void): () => void;
}

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where what happens is told. Never a prompt, never an answer. */
export interface Observer {
  log(level: LogLevel, message: string, fields?: LogFields): void;
}

/** Why a request went where it went; a closed list. */
export type RouteReason =
  | "within_npu_limit"
  | "prompt_exceeds_npu_limit"
  | "output_exceeds_npu_limit"
  | "needs_unsupported_by_npu"
  | "npu_busy"
  | "npu_unavailable"
  | "circuit_open"
  | "model_unfit"
  | "insufficient_memory"
  | "requested"
  | "fixed"
  | "fastest";

/** An accepted request: where it runs, and its events. */
export interface Answer {
  readonly model: Model;
  readonly promptTokens: number;
  /** Ends after `done`; throws a ProxyError where the generation failed. Leaving the loop early cancels it. */
  readonly events: AsyncIterable<GenerateEvent>;
  /** Where limits, needs and wishes alone would have sent it. */
  readonly routed: DeviceInfo;
  /** Where it runs, or waits to run as long as nothing was generated. */
  readonly device: DeviceInfo;
  readonly reason: RouteReason;
  /** Time from the request's arrival until its model was loaded, in ns; 0 where it was loaded. */
  readonly loadNs: number;
}

/** A placement, as `ps` shows it. */
export interface Placement {
  readonly model: Model;
  readonly device: DeviceInfo;
  readonly phase: Phase;
  readonly contextLength: number;
  /** Of the runner now, or of the model's files while it is loaded; in bytes. */
  readonly memoryBytes: number;
  readonly running: number;
  readonly waiting: number;
  /** Most requests that run at once. */
  readonly parallel: number;
  /** When it is unloaded if nothing comes; undefined: never, or not as long as it has work. */
  readonly expiresAt?: Date | undefined;
  readonly pinned: boolean;
  /** Settings of this model that change how it runs, as `ps` shows them: "prompt lookup", "draft tiny:latest". */
  readonly tuning?: readonly string[];
  readonly stats?: EngineStats | undefined;
}

/** One of the models that are loaded before the server is ready. */
export interface WarmUp {
  readonly model: string;
  /** "" where no device was found for it. */
  readonly device: string;
  readonly state: "waiting" | "loading" | "ready" | "failed" | "skipped";
  /** Of failed and skipped: why. */
  readonly reason?: string;
  /** How long it took, in ms. */
  readonly ms?: number;
}

/** What the daemon says of itself. */
export interface RuntimeState {
  /** The cache of embeddings. */
  readonly embeddingCache?: {
    readonly entries: number;
    readonly bytes: number;
    readonly hits: number;
    readonly misses: number;
  };
  /** Why it is not ready: warming up, stopping; empty: it is. */
  readonly notReady: readonly string[];
  /** Requests that wait for a placement, or to be counted. */
  readonly waiting: number;
  readonly running: number;
  /** Most that wait for one placement. */
  readonly maxQueue: number;
  readonly pressure: Pressure;
  readonly memory: MemoryState;
  readonly warmUps: readonly WarmUp[];
  /** Warm-ups that failed since the start, those after a load included. */
  readonly warmUpFailures: number;
  /** Placements that are left alone for a while after failures. */
  readonly openCircuits: readonly { readonly model: string; readonly device: Device; readonly until: Date }[];
  /** The devices in the order in which they are tried. */
  readonly fallbackChain: readonly Device[];
}

/** The router's decision, explained without running anything. */
export interface RouteExplanation extends RouteDecision {
  readonly model: Model;
  readonly promptTokens: number;
}

/** A place among the requests that wait. `release` gives it back; generate() does so once the request is queued. */
export interface Admission {
  release(): void;
}

/** A request with its model, where whoever asks has looked it up already (for its defaults). */
export interface ModelRequest extends GenerateRequest {
  readonly found?: Model;
  /** What admit() gave; absent: generate() asks for it. */
  readonly admission?: Admission;
}

export type LoadRequest = Pick<GenerateRequest, "model" | "device" | "keepAliveMs">;

export interface WarmUpOptions {
  /** Models that are loaded, in this order; a name may end in "@device". */
  readonly models: readonly string[];
  /** Those of them that are left out. */
  readonly skip: readonly string[];
  /** In ms for all together; what has not begun by then is skipped. */
  readonly budgetMs: number;
  readonly require: boolean;
}

/** What the servers and commands talk to; core/runtime.ts makes one. */
export interface Runtime {
  readonly models: ModelStore;
  readonly library: ModelLibrary;
  /** Resolves when an engine accepted the request (its prompt counted, nothing generated yet).
   *  @throws ProxyError; nothing was sent to a client before it resolves, so every error is still a clean status. */
  generate(request: ModelRequest, signal: AbortSignal): Promise<Answer>;
  /**
   * Called as soon as a request is read, before anything is looked up for it.
   * @throws ProxyError queue_full (with retryAfterMs) where as many wait as may, shutting_down
   */
  admit(): Admission;
  /**
   * Vectors of texts, in their order. Texts that the cache has, or that another request computes now, are not computed again.
   * @throws ProxyError as generate does; context_length_exceeded where a text is too long and may not be cut
   */
  embed(request: EmbedRequest, signal: AbortSignal): Promise<Embeddings>;
  /** How well documents answer a query. @throws ProxyError as generate does */
  rerank(request: RerankRequest, signal: AbortSignal): Promise<Ranking>;
  /** Where this request would go now, and why. @throws ProxyError as generate does before anything runs */
  explain(request: ModelRequest, signal: AbortSignal): Promise<RouteExplanation>;
  placements(): readonly Placement[];
  state(): RuntimeState;
  /** Probed once, then remembered; `refresh` asks the drivers again. */
  devices(signal: AbortSignal, refresh?: boolean): Promise<readonly DeviceInfo[]>;
  /** Loads a model without a prompt (Ollama's empty prompt). Returns the ns that loading took, 0 where it was loaded. */
  load(request: LoadRequest, signal: AbortSignal): Promise<{ readonly model: Model; readonly loadNs: number }>;
  /** Unloads a model's placements as soon as nothing of theirs runs or waits. @throws ProxyError model_not_found */
  unload(request: Pick<LoadRequest, "model" | "device">): Promise<Model>;
  /**
   * Loads the models that the settings name, within their time; then the runtime is ready.
   * @throws ProxyError the first failure, where `require` is set
   */
  warmUp(options: WarmUpOptions, signal: AbortSignal): Promise<void>;
  /** Refuses new requests with shutting_down, waits for the running ones until the signal aborts, then ends all runners. */
  close(deadline: AbortSignal): Promise<void>;
}
