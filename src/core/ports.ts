/** What core needs from the outside, implemented by models/, runner/, log.ts and the clock of the composition root. */
import type { ProxyError } from "./errors.ts";
import type { Device, DeviceInfo, GenerateEvent, GenerateRequest, LoadedInfo, Prompt, Sampling } from "./request.ts";

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
  readonly chatTemplate: string;
  /** The sampling parameters of its generation_config.json. */
  readonly defaults: Sampling;
}

export interface ModelStore {
  /** Every model whose folder can be read. */
  list(): Promise<readonly Model[]>;
  /** @throws ProxyError model_not_found, model_invalid */
  get(name: string): Promise<Model>;
}

/** An accepted generation: its prompt is counted, its answer under way. */
export interface Generation {
  readonly promptTokens: number;
  /** Ends after `done`; throws a ProxyError where the generation failed. Leaving the loop early cancels it. */
  readonly events: AsyncIterable<GenerateEvent>;
}

/** One loaded placement: a model on a device. */
export interface Engine {
  readonly info: LoadedInfo;
  /** Process id of its runner, where it has one. */
  readonly pid: number | undefined;
  /** Resolves when the engine accepted the request. @throws ProxyError, e.g. context_length_exceeded, runner_crashed */
  generate(prompt: Prompt, sampling: Sampling, signal: AbortSignal): Promise<Generation>;
  /** Exact prompt tokens. */
  count(prompt: Prompt, signal: AbortSignal): Promise<number>;
  /** Settles when the engine is gone: with the reason where that was not asked for. */
  readonly closed: Promise<ProxyError | undefined>;
  close(): Promise<void>;
}

export interface EngineHost {
  /** The devices of this machine, found by a process of their own. */
  devices(signal: AbortSignal): Promise<readonly DeviceInfo[]>;
  /** @throws ProxyError load_failed, load_timeout, device_unavailable, model_invalid, runtime_* */
  load(model: Model, device: Device, signal: AbortSignal): Promise<Engine>;
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
export type RouteReason = "within_npu_limit" | "prompt_exceeds_npu_limit" | "npu_unavailable" | "fixed";

/** An accepted request: where it runs, and its events. */
export interface Answer extends Generation {
  readonly model: Model;
  readonly device: DeviceInfo;
  readonly reason: RouteReason;
  /** Time that this request spent waiting for its model to load, in ns; 0 where it was loaded. */
  readonly loadNs: number;
}

/** A loaded placement, as `ps` shows it. */
export interface Placement {
  readonly model: Model;
  readonly device: DeviceInfo;
  readonly contextLength: number;
  readonly memoryBytes: number;
  readonly running: number;
}

/** What the servers and commands talk to; core/runtime.ts makes one. */
export interface Runtime {
  readonly models: ModelStore;
  /** Resolves when an engine accepted the request (its prompt counted, nothing generated yet).
   *  @throws ProxyError; nothing was sent to a client before it resolves, so every error is still a clean status. */
  generate(request: GenerateRequest, signal: AbortSignal): Promise<Answer>;
  placements(): readonly Placement[];
  /** Probed once, then remembered. */
  devices(signal: AbortSignal): Promise<readonly DeviceInfo[]>;
  /** Loads a model without a prompt (Ollama's empty prompt). Returns the ns that loading took, 0 where it was loaded. */
  load(model: string, signal: AbortSignal): Promise<{ readonly model: Model; readonly loadNs: number }>;
  /** Refuses new requests with shutting_down, waits for the running ones until the signal aborts, then ends all runners. */
  close(deadline: AbortSignal): Promise<void>;
}
