/** Vectors of texts: validated, found or computed, shortened; and hashes in their place where that was chosen and the model fails. */
import { asProxyError, type ErrorCode, ProxyError } from "../errors.ts";
import type { Model } from "../model.ts";
import type { Observer } from "../ports.ts";
import type { Priority } from "../request.ts";
import type { Candidate, RouteDecision } from "../routing/route.ts";
import { type CacheState, EmbeddingCache, type EmbeddingShelf } from "./cache.ts";
import { checkDimensions, shortened } from "./dimensions.ts";
import { type Commons, EmbedJob } from "./embed-job.ts";
import { type Embeddings, type EmbedRequest, type EncoderInput, MOST_INPUTS } from "./embedding.ts";
import { EncoderRun } from "./encoder-run.ts";
import type { EncoderRunHost } from "./encoder-visit.ts";
import { hashVector, USUAL_DIMENSIONS } from "./hash-vector.ts";
import type { Hash } from "./keys.ts";
import { laneOf } from "./pieces.ts";
import { Underway } from "./underway.ts";

export interface EmbeddingSettings {
  readonly hash: Hash;
  /** Embeddings that are remembered; 0: none. */
  readonly cacheEntries: number;
  readonly cacheBytes: number;
  /** Absent: they are not remembered across restarts. */
  readonly shelf?: EmbeddingShelf | undefined;
  readonly fallback: "disabled" | "hash";
}

export interface EmbedderHost extends EncoderRunHost {
  readonly observer: Observer;
  /**
   * Where an encoder's request goes; the request waits in its placement's queue from then on, and its admission is given back.
   * @throws ProxyError what the probe of the devices and the router throw
   */
  decide(
    model: Model,
    request: Pick<EmbedRequest, "device" | "admission">,
    signal: AbortSignal,
  ): Promise<RouteDecision>;
  /** A request was answered without the placement: it is in use all the same. */
  touch(model: Model, candidate: Candidate, keepAliveMs: number | undefined): void;
}

/** The model or its device failed; everything else is the caller's or the queue's doing, which hashes would hide. */
const FALLS_BACK: ReadonlySet<ErrorCode> = new Set([
  "model_not_loaded",
  "load_timeout",
  "device_error",
  "device_lost",
  "model_unfit",
  "model_invalid",
  "insufficient_memory",
  "runner_crashed",
  "inference_failed",
  "inference_timeout",
  "runtime_missing",
  "runtime_mismatch",
  "runtime_failed",
]);

export class Embedder {
  readonly #host: EmbedderHost;
  readonly #fallback: EmbeddingSettings["fallback"];
  readonly #commons: Commons;

  constructor(host: EmbedderHost, { hash, cacheEntries, cacheBytes, shelf, fallback }: EmbeddingSettings) {
    this.#host = host;
    this.#fallback = fallback;
    const cache = new EmbeddingCache({ mostEntries: cacheEntries, mostBytes: cacheBytes, shelf });
    this.#commons = { hash, cache, underway: new Underway() };
  }

  get cache(): CacheState {
    return this.#commons.cache.state;
  }

  /**
   * @param arrived Clock.now() at the request's arrival, in ns
   * @throws ProxyError as Runtime.embed
   */
  async embed(request: EmbedRequest, model: Model, arrived: number, signal: AbortSignal): Promise<Embeddings> {
    check(request, model);
    let decision: RouteDecision | undefined;
    try {
      decision = await this.#host.decide(model, request, signal);
      return await this.#embed(request, model, decision, arrived, signal);
    } catch (thrown) {
      const error = asProxyError(thrown);
      // A device that the caller asked for and that cannot be had is his to mend.
      const isWish = decision === undefined && request.device !== undefined;
      if (this.#fallback !== "hash" || signal.aborted || isWish || !FALLS_BACK.has(error.code)) throw error;
      return this.#hashes(request, model, decision, error);
    }
  }

  async #embed(
    request: EmbedRequest,
    model: Model,
    decision: RouteDecision,
    arrived: number,
    signal: AbortSignal,
  ): Promise<Embeddings> {
    const { inputs, dimensions, keepAliveMs } = request;
    const lane: Priority = laneOf(request.priority, inputs);
    const job = new EmbedJob(this.#commons, request, model, lane);
    const run = new EncoderRun(this.#host, { request, model, lane, decision, arrived }, signal);
    const { visited, candidate, ...place } = await run.run(({ device }, visit) => job.fill(device, visit));
    if (!visited) this.#host.touch(model, candidate, keepAliveMs);
    const outcomes = job.outcomes();
    checkDimensions(dimensions, outcomes[0]?.vector.length ?? 0, model);
    const cached = inputs.length - job.computed;
    this.#commons.cache.count(cached, job.computed);
    this.#host.observer.log("debug", "embedded", { id: request.id, inputs: inputs.length, cached });
    return {
      ...place,
      vectors: shortened(
        outcomes.map(({ vector }) => vector),
        dimensions,
      ),
      tokens: outcomes.map(({ tokens }) => tokens),
      truncated: outcomes.filter(({ cut }) => cut).length,
      cached,
      fallback: false,
    };
  }

  /** Never remembered: the next request asks the model again. */
  #hashes(request: EmbedRequest, model: Model, decision: RouteDecision | undefined, error: ProxyError): Embeddings {
    const { id, inputs } = request;
    this.#host.observer.log("warn", "the embedder failed: the vectors of this answer are hashes and mean nothing", {
      id,
      model: model.name,
      inputs: inputs.length,
      code: error.code,
      reason: error.message,
      detail: error.detail,
    });
    const dimensions = request.dimensions ?? (model.embeddingLength || USUAL_DIMENSIONS);
    const here = { name: "CPU", fullName: "npu-proxy itself: hashes, no model", emulated: false };
    return {
      model,
      device: here,
      routed: decision?.routed ?? here,
      reason: decision?.candidates[0].reason ?? (error.code === "insufficient_memory" ? error.code : "circuit_open"),
      loadNs: 0,
      vectors: inputs.map((input) => hashVector(this.#commons.hash, input, dimensions)),
      tokens: inputs.map(() => 0),
      truncated: 0,
      cached: 0,
      fallback: true,
    };
  }
}

/** @throws ProxyError invalid_request */
function check({ inputs, dimensions }: EmbedRequest, model: Model): void {
  // In Ollama's words, which its clients look for.
  if (model.kind !== "embedding")
    throw new ProxyError("invalid_request", "this model does not support embeddings", { param: "model" });
  if (inputs.length > MOST_INPUTS)
    throw refused(
      `The request has ${inputs.length} inputs. Expected ${MOST_INPUTS} at most; send the others separately.`,
    );
  const bad = inputs.findIndex((input) => !isInput(input));
  if (bad >= 0)
    throw refused(
      `Input ${bad} is neither a text nor a list of token ids. Expected whole numbers from 0 on, and one of them at least.`,
    );
  checkDimensions(dimensions, model.embeddingLength, model);
}

function isInput(input: EncoderInput): boolean {
  if (typeof input === "string") return true;
  return input.length > 0 && input.every((id) => Number.isInteger(id) && id >= 0 && id < 2 ** 31);
}

function refused(sentence: string): ProxyError {
  return new ProxyError("invalid_request", sentence, { param: "input" });
}
