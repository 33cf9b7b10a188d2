/** What core needs from the outside, implemented by models/, runner/, log.ts and the clock of the composition root. */
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

export interface ModelStore {
  /** Every model whose folder can be read. */
  list(): Promise<readonly Model[]>;
  /** Those that list leaves out. */
  damaged(): Promise<readonly DamagedModel[]>;
  /** @throws ProxyError model_not_found (with the nearest names), model_invalid */
  get(name: string): Promise<Model>;
  /** A model has answered: the revision that it replaced is no longer needed. Never throws. */
  answered(model: Model): void;
}

/** One loaded placement: a model on a device. */
export interface Engine {
  readonly info: LoadedInfo;
  /** Starts at once; leaving the loop early, or the signal, cancels. Ends after `done`, or throws a ProxyError. */
  generate(
    prompt: EncodedPrompt,
    sampling: Sampling & { readonly maxTokens: number },
    signal: AbortSignal,
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

export interface EngineHost {
  /** The devices of this machine, found by a process of their own. */
  devices(signal: AbortSignal): Promise<readonly DeviceInfo[]>;
  /** Renders and encodes a prompt, before any placement is loaded.
   *  @throws ProxyError invalid_template, model_invalid, runtime_* */
  encode(model: Model, prompt: Prompt, signal: AbortSignal): Promise<EncodedPrompt>;
  /** @throws ProxyError load_failed, load_timeout, device_unavailable, model_invalid, runtime_* */
  load(model: Model, device: Device, shape: Shape, signal: AbortSignal): Promise<Engine>;
  /** Ends what encodes. */
  close(): Promise<void>;
}

export interface Clock {
  /** Monotonic, in nanoseconds. */
  now(): number;
  /** Wall clock. */
  date(): Date;
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
  | "npu_unavailable"
  | "fixed";

/** An accepted request: where it runs, and its events. */
export interface Answer {
  readonly model: Model;
  readonly promptTokens: number;
  /** Ends after `done`; throws a ProxyError where the generation failed. Leaving the loop early cancels it. */
  readonly events: AsyncIterable<GenerateEvent>;
  readonly device: DeviceInfo;
  readonly reason: RouteReason;
  /** Time from the request's arrival until its model was loaded, in ns; 0 where it was loaded. */
  readonly loadNs: number;
}

/** A loaded placement, as `ps` shows it. */
export interface Placement {
  readonly model: Model;
  readonly device: DeviceInfo;
  readonly contextLength: number;
  readonly memoryBytes: number;
  readonly running: number;
  /** Settings of this model that change how it runs, as `ps` shows them: "prompt lookup", "draft tiny:latest". */
  readonly tuning?: readonly string[];
  readonly stats?: EngineStats | undefined;
}

/** A request with its model, where whoever asks has looked it up already (for its defaults). */
export interface ModelRequest extends GenerateRequest {
  readonly found?: Model;
}

/** What the servers and commands talk to; core/runtime.ts makes one. */
export interface Runtime {
  readonly models: ModelStore;
  readonly library: ModelLibrary;
  /** Resolves when an engine accepted the request (its prompt counted, nothing generated yet).
   *  @throws ProxyError; nothing was sent to a client before it resolves, so every error is still a clean status. */
  generate(request: ModelRequest, signal: AbortSignal): Promise<Answer>;
  placements(): readonly Placement[];
  /** Probed once, then remembered. */
  devices(signal: AbortSignal): Promise<readonly DeviceInfo[]>;
  /** Loads a model without a prompt (Ollama's empty prompt). Returns the ns that loading took, 0 where it was loaded. */
  load(model: string, signal: AbortSignal): Promise<{ readonly model: Model; readonly loadNs: number }>;
  /** Refuses new requests with shutting_down, waits for the running ones until the signal aborts, then ends all runners. */
  close(deadline: AbortSignal): Promise<void>;
}
