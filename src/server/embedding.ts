/** Embeddings of one request, in whichever API: how they are computed, and what their headers and log line tell. */
import type { Context } from "hono";
import type { Embeddings } from "../core/embedding/embedding.ts";
import { asProxyError, ProxyError } from "../core/errors.ts";
import type { LogFields, Runtime } from "../core/ports.ts";
import type { AskedEmbeddings } from "./asked-embeddings.ts";
import type { ServerEnv } from "./exchange.ts";
import { placeHeaders } from "./place-headers.ts";

/**
 * The vectors of one request. It asks for its place before it looks for its model: where too many wait, it is refused at
 * once.
 * @param tooLong how this API tells that a text is too long
 * @throws ProxyError what Runtime.admit, models.get and embed throw
 */
export async function embed(
  c: Context<ServerEnv>,
  runtime: Runtime,
  asked: AskedEmbeddings,
  tooLong: { readonly message?: string; readonly param: string },
): Promise<Embeddings> {
  const exchange = c.get("exchange");
  const admission = runtime.admit();
  try {
    const found = await runtime.models.get(asked.model);
    const answer = await runtime.embed({ ...asked, id: exchange.id, found, admission }, c.req.raw.signal);
    exchange.accepted({ ...answer, promptTokens: tokensOf(answer) }, embeddingFields(answer));
    return answer;
  } catch (thrown) {
    const error = asProxyError(thrown);
    if (error.code !== "context_length_exceeded") throw thrown;
    const { message = error.message, param } = tooLong;
    throw new ProxyError(error.code, message, { param, ...(error.limit && { limit: error.limit }), cause: error });
  } finally {
    admission.release();
  }
}

/** Tokens of all inputs together, as they were computed. */
export function tokensOf({ tokens }: Pick<Embeddings, "tokens">): number {
  return tokens.reduce((sum, count) => sum + count, 0);
}

/** What a log line tells of embeddings. */
function embeddingFields(answer: Pick<Embeddings, "vectors" | "cached" | "truncated" | "fallback">): LogFields {
  return {
    completionTokens: undefined,
    inputs: answer.vectors.length,
    cached: answer.cached,
    truncated: answer.truncated || undefined,
    fallback: answer.fallback ? "hash" : undefined,
  };
}

/** Where they come from, and what is to be known before they are used. */
export function embeddingHeaders(answer: Embeddings): Readonly<Record<string, string>> {
  return {
    ...originHeaders(answer, tokensOf(answer)),
    "X-NPU-Proxy-Embedding-Cache": `hits=${answer.cached} of=${answer.vectors.length}`,
    ...(answer.truncated > 0 && { "X-NPU-Proxy-Truncated": String(answer.truncated) }),
  };
}

/** Where vectors come from; the names of the last two are the original's. */
export function originHeaders(
  { model, fallback, ...place }: Pick<Embeddings, "model" | "fallback" | "device" | "routed" | "reason">,
  promptTokens?: number,
): Readonly<Record<string, string>> {
  return {
    ...placeHeaders({ ...place, ...(promptTokens !== undefined && { promptTokens }) }),
    "X-NPU-Proxy-Model": model.name,
    ...(fallback && { "X-NPU-Proxy-Fallback": "hash" }),
  };
}
