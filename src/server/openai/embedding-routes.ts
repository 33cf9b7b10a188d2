import { Hono } from "hono";
import { embeddingWishes, purposeOf } from "../asked-embeddings.ts";
import { check, readJson } from "../body.ts";
import { embed, tokensOf } from "../embedding.ts";
import type { ServerEnv } from "../exchange.ts";
import type { ServerOptions } from "../options.ts";
import { base64Of, numbersOf } from "../vector.ts";
import { answerVectors } from "../vector-answer.ts";
import { inputsOf } from "./inputs.ts";
import { embeddingsRequest } from "./schema.ts";

/** OpenAI's embeddings. As OpenAI's, it refuses a text that is too long; with `truncate` it cuts it. */
export function embeddingRoutes(options: Required<ServerOptions>): Hono<ServerEnv> {
  const app = new Hono<ServerEnv>();

  app.post("/v1/embeddings", async (c) => {
    const body = await readJson(c.req.raw, options.maxBodyBytes, () => c.get("exchange").bodyRead());
    const asked = check(embeddingsRequest, body);
    const wishes = embeddingWishes(c, options, asked);
    const request = {
      ...wishes,
      ...purposeOf(asked.input_type),
      inputs: inputsOf(asked.input),
      truncate: asked.truncate ?? false,
      ...(asked.dimensions && { dimensions: asked.dimensions }),
    };
    const answer = await embed(c, options.runtime, request, { param: "input" });
    const write = asked.encoding_format === "base64" ? (vector: Float32Array) => `"${base64Of(vector)}"` : numbersOf;
    const tokens = tokensOf(answer);
    return answerVectors(c, options, answer, {
      open: '{"object":"list","data":[',
      vector: (vector, at) => `{"object":"embedding","index":${at},"embedding":${write(vector)}}`,
      close: () =>
        `],"model":${JSON.stringify(asked.model || wishes.model)},` +
        `"usage":{"prompt_tokens":${tokens},"total_tokens":${tokens}}}`,
    });
  });

  return app;
}
