/** An answer with vectors, written piece by piece. */
import type { Context } from "hono";
import type { Embeddings } from "../core/embedding/embedding.ts";
import { embeddingHeaders } from "./embedding.ts";
import type { ServerEnv } from "./exchange.ts";
import type { ServerOptions } from "./options.ts";
import { answerStream } from "./stream-response.ts";
import { lengthsOf, normalized } from "./vector.ts";

/** Vectors that are written as one piece. */
const PIECE = 64;

/** An answer's JSON around its vectors. */
export interface Form {
  readonly open: string;
  vector(vector: Float32Array, at: number): string;
  /** Asked for once all vectors are written. */
  close(): string;
}

/**
 * The answer with vectors of length 1. A long one is written as its client reads it, and never whole in memory as text.
 * @throws ProxyError inference_failed
 */
export function answerVectors(
  c: Context<ServerEnv>,
  options: Required<ServerOptions>,
  answer: Embeddings,
  form: Form,
): Response {
  const lengths = lengthsOf(answer.vectors);
  const headers = { ...embeddingHeaders(answer), "Content-Type": "application/json; charset=utf-8" };
  const pieces = textPieces(answer.vectors, lengths, form);
  if (answer.vectors.length <= PIECE) return new Response([...pieces].map(({ text }) => text).join(""), { headers });
  return answerStream(c, options, {
    source: asynchronous(pieces),
    text: ({ text }) => text,
    isLast: ({ last }) => last,
    // Half of a JSON value has no place for it: the missing end tells.
    error: () => "",
    work: new AbortController(),
    headers,
  });
}

function* textPieces(vectors: readonly Float32Array[], lengths: Float64Array, form: Form) {
  for (let from = 0; from < Math.max(1, vectors.length); from += PIECE) {
    const texts = vectors
      .slice(from, from + PIECE)
      .map((vector, i) => form.vector(normalized(vector, lengths[from + i] ?? 0), from + i));
    const last = from + PIECE >= vectors.length;
    const text = `${from === 0 ? form.open : ","}${texts.join(",")}${last ? form.close() : ""}`;
    yield { text, last };
  }
}

async function* asynchronous<Item>(items: Iterable<Item>): AsyncGenerator<Item, void> {
  yield* items;
}
