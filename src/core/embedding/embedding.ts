/** The vocabulary of embeddings and reranking: what is asked, what is answered, and what an encoder's engine does. */

import type { ProxyError } from "../errors.ts";
import type { Model, Purpose } from "../model.ts";
import type { DeviceInfo, EngineStats, GenerateRequest, LoadedInfo, Priority } from "../request.ts";
import type { LoadPlan } from "../routing/limits.ts";
import type { RouteReason } from "../routing/route.ts";
import type { Admission } from "../scheduling/schedule.ts";

/** A text, or its token ids in the model's own vocabulary. */
export type EncoderInput = string | readonly number[];

/** What embedding and reranking requests have in common with all others. */
type Common = Pick<GenerateRequest, "id" | "model" | "client" | "priority" | "device" | "keepAliveMs" | "timeoutMs"> & {
  readonly found?: Model;
  readonly admission?: Admission;
};

export interface EmbedRequest extends Common {
  readonly inputs: readonly EncoderInput[];
  /** Absent: as the model's own default prompt says. */
  readonly purpose?: Purpose;
  /** Whether an input that is too long is cut to the model's length; otherwise it is context_length_exceeded. */
  readonly truncate: boolean;
  /** Fewer than the model's own, where it allows that: the vector's beginning, renormalized. */
  readonly dimensions?: number;
}

/** Where it was computed. */
export interface EncoderPlace {
  readonly model: Model;
  readonly device: DeviceInfo;
  readonly routed: DeviceInfo;
  readonly reason: RouteReason;
  /** Until the model was loaded, in ns; 0 where it was. */
  readonly loadNs: number;
}

export interface Embeddings extends EncoderPlace {
  /**
   * One for each input, in order, as the model gave it: not normalized; of the asked number of dimensions. Equal inputs, the
   * cache and other answers share theirs: nobody writes into them.
   */
  readonly vectors: readonly Float32Array[];
  /** Tokens of each input, as they were computed: after the cut, with special tokens and instruction. */
  readonly tokens: readonly number[];
  /** Inputs that were cut. */
  readonly truncated: number;
  /** Inputs whose vector came from the cache, or from another request under way. */
  readonly cached: number;
  /** The vectors are hashes without meaning: NPU_PROXY_EMBEDDING_FALLBACK_MODE=hash, because the model failed. */
  readonly fallback: boolean;
}

export interface RerankRequest extends Common {
  readonly query: string;
  readonly documents: readonly string[];
}

export interface Ranking extends EncoderPlace {
  /** Of each document, in the order given; 0 to 1. */
  readonly scores: readonly number[];
  readonly tokens: number;
}

// ---- the engine behind it

/** Inputs, or documents, that one request may have. */
export const MOST_INPUTS = 100_000;

/** Inputs that go to an engine as one piece: what a client sends is sliced, so that memory stays bounded. */
export const MOST_INPUTS_AT_ONCE = 64;

export interface EncodedInputs {
  /** Flat, shape [inputs, dimensions], float32, not normalized. */
  readonly vectors: Float32Array;
  readonly dimensions: number;
  /** Of each input, after the cut. */
  readonly tokens: readonly number[];
  /** Those that were cut, by their place among the inputs: a cache has to know of each. */
  readonly truncated: readonly number[];
}

/** One loaded encoder: an embedder or a reranker. Texts of all callers are batched together inside. */
export interface EncoderEngine {
  readonly kind: "encoder";
  readonly info: LoadedInfo;
  readonly stats: EngineStats | undefined;
  /** Settles when the engine is gone: with the reason where that was not asked for. */
  readonly closed: Promise<ProxyError | undefined>;
  /**
   * @param inputs MOST_INPUTS_AT_ONCE at most
   * @throws ProxyError invalid_request (token ids out of range) and context_length_exceeded, with "input[n]" as the param where
   *   one of these inputs is to blame; inference_failed, runner_crashed
   */
  embed(
    inputs: readonly EncoderInput[],
    how: { readonly purpose?: Purpose; readonly truncate: boolean; readonly lane: Priority },
    signal: AbortSignal,
  ): Promise<EncodedInputs>;
  /** Scores from 0 to 1 and tokens of each pair. @param documents MOST_INPUTS_AT_ONCE at most */
  rerank(
    query: string,
    documents: readonly string[],
    how: { readonly lane: Priority },
    signal: AbortSignal,
  ): Promise<{ readonly scores: readonly number[]; readonly tokens: readonly number[] }>;
  close(): Promise<void>;
}

export interface EncoderHost {
  /** @throws as EngineHost.load */
  loadEncoder(model: Model, device: DeviceInfo, plan: LoadPlan, signal: AbortSignal): Promise<EncoderEngine>;
}
