import type { Embeddings, EmbedRequest } from "../../core/embedding/embedding.ts";
import { asProxyError, type ProxyError } from "../../core/errors.ts";
import type { Runtime } from "../../core/ports.ts";
import type { Exchange } from "../exchange.ts";
import { base64Of, lengthsOf, normalized, numbersOf } from "../vector.ts";
import type { BulkLine } from "./lines.ts";

/** Before a full queue is asked again where it does not say when, in ms. */
const PAUSE_MS = 1000;

type Text = BulkLine & { readonly text: string };

/** One bulk request: its batches, each embedded and told as lines of JSON, and what they came to. */
export class BulkEmbedding {
  readonly #runtime: Runtime;
  readonly #exchange: Exchange;
  readonly #signal: AbortSignal;
  readonly #request: Omit<EmbedRequest, "id" | "inputs">;
  readonly #write: (vector: Float32Array) => string;
  readonly #sums = { lines: 0, errors: 0, tokens: 0, cached: 0, truncated: 0 };
  #batches = 0;
  /** Whether any answer was made up. */
  #fallback = false;
  /** Tells where they are computed. */
  first: Embeddings | undefined;

  constructor(options: {
    readonly runtime: Runtime;
    readonly exchange: Exchange;
    readonly signal: AbortSignal;
    readonly base64: boolean;
    readonly request: Omit<EmbedRequest, "id" | "inputs">;
  }) {
    this.#runtime = options.runtime;
    this.#exchange = options.exchange;
    this.#signal = options.signal;
    this.#request = options.request;
    this.#write = options.base64 ? (vector) => `"${base64Of(vector)}"` : numbersOf;
  }

  /** A line for each of the batch. @throws ProxyError where that is no single text's fault */
  async answer(batch: readonly BulkLine[]): Promise<string> {
    const texts = batch.filter((line): line is Text => "text" in line);
    const told = texts.length > 0 ? await this.#embed(texts) : new Map<number, string>();
    for (const line of batch) if ("error" in line) told.set(line.line, this.#refused(line, line.error));
    this.#sums.lines += batch.length;
    this.#tell();
    return batch.map(({ line }) => told.get(line)).join("");
  }

  /** The last line. */
  end(): string {
    return `${JSON.stringify({ done: true, ...this.#sums })}\n`;
  }

  /** What the log line will say, should this have been the last batch. */
  #tell(): void {
    if (!this.first) return;
    const { lines: inputs, tokens: promptTokens, errors, cached, truncated } = this.#sums;
    const fallback = this.#fallback ? "hash" : undefined;
    const told = { completionTokens: undefined, inputs, errors, cached, truncated, fallback };
    this.#exchange.accepted({ ...this.first, promptTokens }, told);
  }

  async #embed(texts: readonly Text[]): Promise<Map<number, string>> {
    try {
      const answer = await this.#patiently(texts.map(({ text }) => text));
      return new Map(this.#accepted(texts, answer));
    } catch (thrown) {
      const error = asProxyError(thrown);
      if (!isOfText(error)) throw thrown;
      const [only, second] = texts;
      if (only && !second) return new Map([[only.line, this.#refused(only, error.message)]]);
      const alone = await Promise.all(texts.map((text) => this.#embed([text])));
      return new Map(alone.flatMap((told) => [...told]));
    }
  }

  /** A bulk has time: where the queue is full it waits. */
  async #patiently(inputs: readonly string[]): Promise<Embeddings> {
    const id = `${this.#exchange.id}-${this.#batches++}`;
    for (;;) {
      try {
        return await this.#runtime.embed({ ...this.#request, id, inputs }, this.#signal);
      } catch (thrown) {
        const error = asProxyError(thrown);
        if (error.code !== "queue_full") throw thrown;
        await pause(error, this.#signal);
      }
    }
  }

  #accepted(texts: readonly Text[], answer: Embeddings): [number, string][] {
    const lengths = lengthsOf(answer.vectors);
    const fallback = answer.fallback ? ',"fallback":"hash"' : "";
    this.#sums.cached += answer.cached;
    this.#sums.truncated += answer.truncated;
    for (const tokens of answer.tokens) this.#sums.tokens += tokens;
    this.#fallback ||= answer.fallback;
    this.first ??= answer;
    return answer.vectors.map((vector, at) => {
      const { line, id } = texts[at] as Text;
      const named = id === undefined ? "" : `,"id":${JSON.stringify(id)}`;
      const embedding = this.#write(normalized(vector, lengths[at] ?? 0));
      return [line, `{"line":${line}${named},"embedding":${embedding},"tokens":${answer.tokens[at]}${fallback}}\n`];
    });
  }

  #refused({ line, id }: BulkLine, error: string): string {
    this.#sums.errors += 1;
    return `${JSON.stringify({ line, id, error })}\n`;
  }
}

/** An error that one text of a batch is to blame for: then each is tried alone. */
function isOfText({ code, param }: ProxyError): boolean {
  return code === "context_length_exceeded" || (code === "invalid_request" && param?.startsWith("input") === true);
}

async function pause({ retryAfterMs = PAUSE_MS }: ProxyError, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const timer = setTimeout(resolve, retryAfterMs);
  signal.addEventListener("abort", resolve, { once: true });
  await promise;
  signal.removeEventListener("abort", resolve);
  clearTimeout(timer);
  signal.throwIfAborted();
}
