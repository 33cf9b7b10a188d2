/** Reranking in the form that Cohere, Jina and vLLM share, at the addresses that their clients ask. Errors are as OpenAI's. */
import { Hono } from "hono";
import * as v from "valibot";
import { ProxyError } from "../core/errors.ts";
import { refuseTooMany } from "./asked-embeddings.ts";
import { check, readJson } from "./body.ts";
import { originHeaders } from "./embedding.ts";
import type { ServerEnv } from "./exchange.ts";
import type { ServerOptions } from "./options.ts";
import { refuseUnsupported, type Unsupported, unused } from "./unsupported.ts";
import { wishesOf } from "./wishes.ts";

export const RERANK_PATHS = ["/v1/rerank", "/v2/rerank", "/rerank"] as const;

const text = v.string("must be a string");
const filled = v.pipe(text, v.nonEmpty("must not be empty"));
const COUNT = "must be an integer of at least 1";
const rerankRequest = v.looseObject({
  model: v.pipe(text, v.nonEmpty("is required")),
  query: filled,
  /** Judged by documentsOf. */
  documents: v.unknown(),
  top_n: v.nullish(v.pipe(v.number(COUNT), v.integer(COUNT), v.minValue(1, COUNT))),
  return_documents: v.nullish(v.boolean("must be true or false"), false),
  keep_alive: v.nullish(v.union([v.number(), v.string()], 'must be a number of seconds or a duration such as "5m"')),
});

/** Fields of documents that the score would be made of; a document of ours has its text alone. */
const UNSUPPORTED: Unsupported = {
  rank_fields: (fields) => unused(fields) || (Array.isArray(fields) && fields.every((field) => field === "text")),
};

/** The best first; of equal ones the first given. */
export function rerankRoutes({ runtime, maxBodyBytes }: Required<ServerOptions>): Hono<ServerEnv> {
  const app = new Hono<ServerEnv>();

  for (const path of RERANK_PATHS)
    app.post(path, async (c) => {
      const exchange = c.get("exchange");
      const body = await readJson(c.req.raw, maxBodyBytes, () => exchange.bodyRead());
      const asked = check(rerankRequest, body);
      refuseUnsupported(body, UNSUPPORTED);
      exchange.model = asked.model;
      const documents = documentsOf(asked.documents);
      const wishes = wishesOf(c, asked);
      const admission = runtime.admit();
      try {
        const found = await runtime.models.get(wishes.model);
        const request = { ...wishes, id: exchange.id, found, admission, query: asked.query, documents };
        const { scores, tokens, ...place } = await runtime.rerank(request, c.req.raw.signal);
        if (!scores.every(Number.isFinite))
          throw new ProxyError("inference_failed", "The model gave scores that are no numbers.");
        const placed = { ...place, promptTokens: tokens };
        exchange.accepted(placed, { completionTokens: undefined, inputs: documents.length });
        const results = scores
          .map((score, index) => ({ index, relevance_score: score }))
          .sort((a, b) => b.relevance_score - a.relevance_score)
          .slice(0, asked.top_n ?? undefined)
          .map((result) => ({
            ...result,
            ...(asked.return_documents && { document: { text: documents[result.index] } }),
          }));
        const answer = {
          id: `rerank-${crypto.randomUUID()}`,
          object: "list",
          model: asked.model,
          results,
          usage: { prompt_tokens: tokens, total_tokens: tokens },
          meta: { tokens: { input_tokens: tokens } },
        };
        return c.json(answer, { headers: originHeaders({ ...place, fallback: false }, tokens) });
      } finally {
        admission.release();
      }
    });

  return app;
}

/** Texts, or objects with a text. @throws ProxyError invalid_request naming the element */
function documentsOf(documents: unknown): readonly string[] {
  const wrong = (param: string, predicate: string) =>
    new ProxyError("invalid_request", `${param} ${predicate}`, { param });
  if (documents === undefined || documents === null) throw wrong("documents", "is required");
  if (!Array.isArray(documents)) throw wrong("documents", "must be an array of texts");
  if (documents.length === 0) throw wrong("documents", "must have at least one text");
  refuseTooMany(documents.length, "documents");
  return documents.map((document: unknown, at) => {
    const text = typeof document === "object" ? (document as { text?: unknown } | null)?.text : document;
    if (typeof text === "string") return text;
    throw wrong(`documents[${at}]`, "must be a string or an object with a text");
  });
}
