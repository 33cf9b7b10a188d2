/** A loaded embedder or reranker: texts of all callers become rows, rows become batches, batches run on all cores. */
import { Batching } from "../core/embedding/batching.ts";
import type { EncodedInputs, EncoderInput } from "../core/embedding/embedding.ts";
import { ProxyError } from "../core/errors.ts";
import type { Purpose } from "../core/model.ts";
import type { EngineStats, LoadedInfo, Priority } from "../core/request.ts";
import type { EncoderLoadOptions } from "../core/runner-protocol.ts";
import type { Addon, NativeErrorCode } from "./contract.ts";
import { packed, type Row, rowsOf } from "./encoder-frame.ts";
import { loadEncoder, type ReadyEncoder } from "./encoder-load.ts";
import { isOfTheDriver, nativeError } from "./errors.ts";
import { Turns } from "./turns.ts";

/** A row of a request that waits for its batch. */
interface Task {
  readonly request: number;
  readonly tokens: number;
  readonly row: Row;
  resolve(output: Float32Array): void;
  reject(error: ProxyError): void;
}

/** Share of the last batch in the moving average of their time. */
const NEWEST = 0.1;

export class LoadedEncoder {
  readonly info: LoadedInfo;
  readonly #encoder: ReadyEncoder;
  readonly #options: EncoderLoadOptions;
  readonly #broken: (error: ProxyError) => void;
  readonly #batching: Batching<Task>;
  readonly #tokenizing = new Turns();
  /** Requests under way, with what ends each. */
  readonly #requests = new Map<number, (reason: ProxyError) => void>();
  #running = 0;
  #steps = 0;
  #stepNs = 0;

  private constructor(
    encoder: ReadyEncoder,
    options: EncoderLoadOptions,
    info: LoadedInfo,
    broken: (error: ProxyError) => void,
  ) {
    this.#encoder = encoder;
    this.#options = options;
    this.info = info;
    this.#broken = broken;
    this.#batching = new Batching(encoder.limits);
  }

  /**
   * @param broken is called when the whole process must end
   * @throws ProxyError as loadEncoder
   */
  static async load(
    addon: Addon,
    options: EncoderLoadOptions,
    broken: (error: ProxyError) => void,
  ): Promise<LoadedEncoder> {
    const encoder = await loadEncoder(addon, options);
    const { tokens } = encoder.limits;
    const prefillChunk = Number.isFinite(tokens) ? tokens : options.maxTokens;
    const info = { prefillChunk, memoryBytes: process.memoryUsage.rss(), openvino: addon.openvino };
    return new LoadedEncoder(encoder, options, info, broken);
  }

  /**
   * @param id of this request, for cancel()
   * @throws ProxyError invalid_request (token ids out of range, no tokens), context_length_exceeded, inference_failed
   */
  async embed(
    id: number,
    inputs: readonly EncoderInput[],
    how: { readonly purpose?: Purpose; readonly truncate: boolean; readonly lane: Priority },
  ): Promise<EncodedInputs> {
    return await this.#request(id, async () => {
      const rows = await this.#rows(id, inputs, how);
      for (const [index, row] of rows.entries()) this.#check(row, index, how.truncate);
      this.#requireWanted(id);
      const { width } = this.#encoder;
      const vectors = new Float32Array(rows.length * width);
      const each = rows.map(async (row, index) => vectors.set(await this.#compute(id, how.lane, row), index * width));
      this.#pump();
      await Promise.all(each);
      const truncated = rows.flatMap(({ ids, whole }, index) => (ids.length < whole ? [index] : []));
      return { vectors, dimensions: width, tokens: rows.map(({ ids }) => ids.length), truncated };
    });
  }

  /** Scores from 0 to 1; a pair that is too long is cut. @throws ProxyError inference_failed */
  async rerank(
    id: number,
    query: string,
    documents: readonly string[],
    how: { readonly lane: Priority },
  ): Promise<{ readonly scores: readonly number[]; readonly tokens: readonly number[] }> {
    return await this.#request(id, async () => {
      const { frame } = this.#encoder;
      const [asked = new Int32Array(), ...texts] = await this.#tokenize(id, [query, ...documents], how.lane);
      const rows = texts.map((text) => frame.pair(asked, text, this.#options.maxTokens));
      for (const [index, row] of rows.entries()) this.#check(row, index, true);
      this.#requireWanted(id);
      const each = rows.map((row) => this.#compute(id, how.lane, row));
      this.#pump();
      const scores = (await Promise.all(each)).map(([score = Number.NaN]) => score);
      return { scores, tokens: rows.map(({ ids }) => ids.length) };
    });
  }

  /** What of it has not begun is never computed; its promise rejects at once. */
  cancel(id: number): void {
    this.#requests.get(id)?.(cancelled());
  }

  stats(): EngineStats {
    return {
      running: this.#running,
      waiting: this.#batching.size,
      reservedBlocks: 0,
      maxBlocks: 0,
      cacheUsage: 0,
      reusablePromptTokens: 0,
      steps: this.#steps,
      stepNs: this.#stepNs,
      memoryBytes: process.memoryUsage.rss(),
    };
  }

  /** Runs a request that cancel() can end; whatever ends it, none of its rows waits any longer. */
  async #request<T>(id: number, work: () => Promise<T>): Promise<T> {
    const ended = Promise.withResolvers<never>();
    this.#requests.set(id, ended.reject);
    try {
      return await Promise.race([ended.promise, work()]);
    } finally {
      this.#requests.delete(id);
      this.#batching.drop(id);
    }
  }

  /** It may have been cancelled while it waited for the tokenizer, or was tokenized. */
  #requireWanted(id: number): void {
    if (!this.#requests.has(id)) throw cancelled();
  }

  async #rows(
    id: number,
    inputs: readonly EncoderInput[],
    { purpose, lane }: { readonly purpose?: Purpose; readonly lane: Priority },
  ): Promise<readonly Row[]> {
    const { frame } = this.#encoder;
    const { maxTokens, instructions } = this.#options;
    const instruction = (purpose && instructions[purpose]) ?? "";
    const texts = inputs.filter((input) => typeof input === "string").map((text) => instruction + text);
    const contents = (await this.#tokenize(id, texts, lane)).values();
    return inputs.map((input, index) => {
      if (typeof input !== "string") return frame.ids(this.#known(input, index), maxTokens);
      return frame.text(contents.next().value ?? new Int32Array(), maxTokens);
    });
  }

  async #tokenize(id: number, texts: readonly string[], lane: Priority): Promise<readonly Int32Array[]> {
    if (texts.length === 0) return [];
    const { native, frame } = this.#encoder;
    try {
      const rows = await this.#tokenizing.take(lane, async () => {
        this.#requireWanted(id);
        return await native.tokenize(texts, frame.special);
      });
      return rowsOf(rows).map(({ ids }) => ids);
    } catch (error) {
      throw nativeError(error);
    }
  }

  /** The model would read beyond its table for an id that it does not have. */
  #known(ids: readonly number[], index: number): Int32Array {
    const { vocabulary } = this.#encoder.native;
    if (vocabulary === 0)
      throw new ProxyError("invalid_request", "This model takes texts only, no token ids.", { param: "input" });
    const bad = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabulary);
    if (bad === undefined) return Int32Array.from(ids);
    throw new ProxyError(
      "invalid_request",
      `The input has the token id ${bad}; this model's token ids are whole numbers from 0 to ${vocabulary - 1}.`,
      { param: `input[${index}]` },
    );
  }

  #check({ ids, whole }: Row, index: number, truncate: boolean): void {
    const { maxTokens } = this.#options;
    if (ids.length === 0)
      throw new ProxyError("invalid_request", "The input is empty: this model makes no tokens of it.", {
        param: `input[${index}]`,
      });
    if (whole > maxTokens && !truncate)
      throw new ProxyError(
        "context_length_exceeded",
        `The input has ${whole} tokens and this model takes at most ${maxTokens}. Shorten it, or let it be cut (truncate).`,
        { param: `input[${index}]`, limit: maxTokens },
      );
  }

  #compute(request: number, lane: Priority, row: Row): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      this.#batching.add(lane, { request, tokens: row.ids.length, row, resolve, reject });
    });
  }

  #pump(): void {
    while (this.#running < this.#encoder.parallel) {
      const batch = this.#batching.take();
      if (batch.length === 0) return;
      const alone = this.#running === 0 && this.#batching.size === 0;
      this.#running++;
      void this.#run(batch, alone).finally(() => {
        this.#running--;
        this.#pump();
      });
    }
  }

  /** Of a batch that fails each row is tried by itself: only the culprit's request gets the error. */
  async #run(batch: readonly Task[], alone: boolean): Promise<void> {
    const begun = Bun.nanoseconds();
    try {
      const { native, width } = this.#encoder;
      const output = await native.run(packed(batch.map(({ row }) => row)), alone);
      for (const [index, { resolve }] of batch.entries()) resolve(output.subarray(index * width, (index + 1) * width));
      const took = Bun.nanoseconds() - begun;
      this.#stepNs = this.#steps++ === 0 ? took : this.#stepNs + NEWEST * (took - this.#stepNs);
    } catch (thrown) {
      const error = nativeError(thrown);
      if (isOfTheDriver(thrown as { code?: NativeErrorCode; message?: string })) this.#broken(error);
      else if (batch.length === 1) for (const { reject } of batch) reject(error);
      else for (const task of batch) await this.#run([task], alone);
    }
  }
}

function cancelled(): ProxyError {
  return new ProxyError("client_closed", "The request was cancelled.");
}
