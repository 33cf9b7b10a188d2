/** One request's inputs, and their vectors as they come: from the cache, from another request, or from the engine. */
import { asProxyError, ProxyError } from "../errors.ts";
import type { Model, Purpose } from "../model.ts";
import type { DeviceInfo, Priority } from "../request.ts";
import { unlessAborted } from "../unless-aborted.ts";
import type { Embedded, EmbeddingCache } from "./cache.ts";
import type { EmbedRequest, EncodedInputs, EncoderInput } from "./embedding.ts";
import type { EncoderVisit } from "./encoder-visit.ts";
import { type Hash, keysOn } from "./keys.ts";
import { bytesOf, eachPiece, piecesOf } from "./pieces.ts";
import type { Underway } from "./underway.ts";

/** What requests of all clients have together. */
export interface Commons {
  readonly hash: Hash;
  readonly cache: EmbeddingCache;
  readonly underway: Underway;
}

interface Item {
  readonly key: string;
  readonly input: EncoderInput;
}

export class EmbedJob {
  readonly #commons: Commons;
  readonly #request: EmbedRequest;
  readonly #model: Model;
  readonly #lane: Priority;
  readonly #purpose: Purpose | undefined;
  #device = "";
  /** Of the inputs, in their order, as far as they were looked at; another device has others. */
  #keys: string[] = [];
  readonly #found = new Map<string, Embedded>();
  #computed = 0;

  constructor(commons: Commons, request: EmbedRequest, model: Model, lane: Priority) {
    this.#commons = commons;
    this.#request = request;
    this.#model = model;
    this.#lane = lane;
    this.#purpose = request.purpose ?? model.instructions?.default;
  }

  /** Inputs that were computed for this request. */
  get computed(): number {
    return this.#computed;
  }

  /**
   * Finds every input's vector on this device; may be called again where it failed. First it waits for what others compute, and
   * what those did not bring to an end it computes itself.
   * @throws ProxyError what the engine throws
   */
  async fill(device: DeviceInfo, visit: EncoderVisit): Promise<void> {
    if (device.name !== this.#device) this.#begin(device);
    const keyOf = keysOn(this.#commons.hash, this.#model, device, this.#purpose);
    if (this.#request.inputs.length === 0) await visit.enter();
    for (const shares of [true, false]) {
      const waits: Promise<void>[] = [];
      const pieces = piecesOf(this.#missing(keyOf, shares, waits), ({ input }) => bytesOf(input));
      await eachPiece(pieces, (piece) => this.#compute(piece, visit));
      if (waits.length === 0) return;
      // They may wait for the place that this one would keep.
      await visit.leave("done");
      await unlessAborted(Promise.all(waits), visit.signal);
    }
  }

  /** Of each input, in order. Only after `fill` has come to its end. */
  outcomes(): readonly Embedded[] {
    return this.#keys.map((key) => {
      const found = this.#found.get(key);
      if (!found) throw new ProxyError("internal_error", "An input was left without its vector.");
      return found;
    });
  }

  /** Devices calculate in other precisions: all vectors of an answer come from one. */
  #begin({ name }: DeviceInfo): void {
    this.#device = name;
    this.#keys = [];
    this.#found.clear();
    this.#computed = 0;
  }

  /** Those that have to be computed, as they are asked for: another request may have begun one of them meanwhile. */
  *#missing(keyOf: (input: EncoderInput) => string, shares: boolean, waits: Promise<void>[]): Generator<Item> {
    const { cache, underway } = this.#commons;
    const seen = new Set<string>();
    for (const [index, input] of this.#request.inputs.entries()) {
      const key = this.#keys[index] ?? keyOf(input);
      this.#keys[index] = key;
      if (seen.has(key) || this.#found.has(key)) continue;
      seen.add(key);
      if (this.#take(key, cache.find(key))) continue;
      const other = shares ? underway.find(key, this.#lane) : undefined;
      if (other) waits.push(other.then((outcome) => void this.#take(key, outcome)));
      else yield { key, input };
    }
  }

  /** A text that was cut for somebody is too long for whoever wants none cut: the engine says so. */
  #take(key: string, outcome: Embedded | undefined): boolean {
    if (!outcome || (outcome.cut && !this.#request.truncate)) return false;
    this.#found.set(key, outcome);
    return true;
  }

  async #compute(piece: readonly Item[], visit: EncoderVisit): Promise<void> {
    const { cache, underway } = this.#commons;
    const { truncate } = this.#request;
    const how = { ...(this.#purpose && { purpose: this.#purpose }), truncate, lane: this.#lane };
    const inputs = piece.map(({ input }) => input);
    const ends = piece.map(({ key }) => underway.begin(key, this.#lane));
    try {
      const bytes = inputs.reduce((sum: number, input) => sum + bytesOf(input), 0);
      const encoded = await visit.ask(bytes, async (engine, signal) => {
        try {
          return await engine.embed(inputs, how, signal);
        } catch (thrown) {
          throw signal.aborted ? thrown : this.#named(asProxyError(thrown), piece);
        }
      });
      for (const [index, outcome] of outcomesOf(encoded, inputs.length).entries()) {
        const { key } = piece[index] as Item;
        this.#found.set(key, outcome);
        cache.put(key, outcome);
        ends[index]?.(outcome);
      }
      this.#computed += piece.length;
    } finally {
      for (const end of ends) end(undefined); // of those that had none
    }
  }

  /** The engine counts the inputs of a piece; the client counts those of his request. */
  #named(error: ProxyError, piece: readonly Item[]): ProxyError {
    const [, at] = /^input\[(\d+)\]$/.exec(error.param ?? "") ?? [];
    const item = at === undefined ? undefined : piece[Number(at)];
    if (!item) return error;
    const { code, message, detail, limit } = error;
    const alone = this.#request.inputs.length === 1;
    const index = this.#keys.indexOf(item.key);
    return new ProxyError(code, alone ? message : `Input ${index}: ${message}`, {
      param: alone ? "input" : `input[${index}]`,
      ...(detail !== undefined && { detail }),
      ...(limit !== undefined && { limit }),
      cause: error,
    });
  }
}

/** Each with a vector of its own. @throws ProxyError inference_failed where the engine's answer is not one for each input */
function outcomesOf({ vectors, dimensions, tokens, truncated }: EncodedInputs, inputs: number): readonly Embedded[] {
  if (vectors.length !== inputs * dimensions || tokens.length !== inputs)
    throw new ProxyError("inference_failed", "The model did not answer with one vector for each input.", {
      detail: `${vectors.length} numbers, ${dimensions} dimensions, ${tokens.length} token counts, ${inputs} inputs`,
    });
  const cut = new Set(truncated);
  return tokens.map((count, index) => ({
    vector: vectors.slice(index * dimensions, (index + 1) * dimensions),
    tokens: count,
    cut: cut.has(index),
  }));
}
