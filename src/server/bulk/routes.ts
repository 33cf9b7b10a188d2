/** POST /api/embed/bulk: lines of texts in, lines of vectors out, as fast as both ends read and write. */
import { type Context, Hono } from "hono";
import * as v from "valibot";
import { ProxyError } from "../../core/errors.ts";
import { embeddingWishes, purposeOf } from "../asked-embeddings.ts";
import { check } from "../body.ts";
import { originHeaders } from "../embedding.ts";
import type { ServerEnv } from "../exchange.ts";
import { jsonOnly, pageGuard } from "../middleware/page-guard.ts";
import { errorLine } from "../ollama/translate.ts";
import type { ServerOptions } from "../options.ts";
import { answerStream, begun } from "../stream-response.ts";
import { BulkEmbedding } from "./bulk-embedding.ts";
import { inOrder } from "./in-order.ts";
import { bulkLines } from "./lines.ts";

/** Batches of lines that are read and not yet answered. */
const MOST_BATCHES = 4;

const count = (predicate: string) => v.optional(v.pipe(v.string(), v.regex(/^[1-9]\d{0,14}$/, predicate)));
const FLAG = "must be true or false";

/** The parameters of the address; one that is misspelt would cost a whole run. */
const parameters = v.strictObject(
  {
    model: v.optional(v.string()),
    /** Number of the first line that is embedded, counted from 1. */
    from: count("must be a line's number, 1 or more"),
    encoding_format: v.optional(v.picklist(["float", "base64"], "must be one of float, base64"), "float"),
    dimensions: count("must be an integer of at least 1"),
    truncate: v.optional(v.picklist(["true", "false"], FLAG), "true"),
    input_type: v.optional(v.string()),
    keep_alive: v.optional(v.string()),
  },
  "is no parameter of this address",
);

export function bulkRoutes(options: Required<ServerOptions>): Hono<ServerEnv> {
  const { runtime } = options;
  const app = new Hono<ServerEnv>();

  app.post("/api/embed/bulk", pageGuard, jsonOnly, async (c) => {
    const asked = check(parameters, c.req.query());
    const wishes = embeddingWishes(c, options, asked);
    // Before a line is read: a name that is wrong is told at once.
    const found = await runtime.models.get(wishes.model);
    const work = new AbortController();
    const signal = AbortSignal.any([c.req.raw.signal, work.signal]);
    const embedding = new BulkEmbedding({
      runtime,
      exchange: c.get("exchange"),
      signal,
      base64: asked.encoding_format === "base64",
      request: {
        ...wishes,
        ...purposeOf(asked.input_type),
        priority: "batch",
        truncate: asked.truncate === "true",
        ...(asked.dimensions && { dimensions: Number(asked.dimensions) }),
        found,
      },
    });
    const lines = bulkLines(bodyOf(c), Number(asked.from ?? 1), signal);
    const answers = inOrder(lines, (batch) => embedding.answer(batch), MOST_BATCHES);
    const source = await begun(withEnd(answers, () => embedding.end())).catch((error: unknown) => {
      work.abort();
      throw error;
    });
    return answerStream(c, options, {
      source,
      text: ({ text }) => text,
      isLast: ({ last }) => last,
      error: (error) => `${JSON.stringify({ ...errorLine(error, asked.model), code: error.code })}\n`,
      work,
      headers: {
        ...(embedding.first && originHeaders(embedding.first)),
        "Content-Type": "application/x-ndjson",
      },
    });
  });

  return app;
}

/** @throws ProxyError invalid_request for one that is encoded */
function bodyOf(c: Context<ServerEnv>): ReadableStream<Uint8Array> {
  const encoding = c.req.header("Content-Encoding")?.toLowerCase() ?? "identity";
  if (encoding === "identity") return c.req.raw.body ?? new Blob([]).stream();
  const sentence = "Compressed request bodies are not supported; send it without Content-Encoding.";
  throw new ProxyError("invalid_request", sentence, { param: "Content-Encoding" });
}

async function* withEnd(texts: AsyncIterable<string>, end: () => string) {
  for await (const text of texts) yield { text, last: false };
  yield { text: end(), last: true };
}
