import { Hono } from "hono";
import type { Model } from "../../core/model.ts";
import { wishOf } from "../../core/routing/wish.ts";
import { check, readJson } from "../body.ts";
import type { ServerEnv } from "../exchange.ts";
import { answerGeneration } from "../generation.ts";
import type { ServerOptions } from "../options.ts";
import { refuseUnsupported } from "../unsupported.ts";
import { wishesOf } from "../wishes.ts";
import { chatRequest, UNSUPPORTED, UNSUPPORTED_IN_STRUCTURED_OUTPUTS } from "./schema.ts";
import { messagesOf, openaiTranslator, samplingOf } from "./translate.ts";

/** OpenAI's chat completions and model list. */
export function openaiRoutes(options: Required<ServerOptions>): Hono<ServerEnv> {
  const { runtime, clock } = options;
  const app = new Hono<ServerEnv>();

  app.get("/v1/models", async (c) => c.json({ object: "list", data: (await runtime.models.list()).map(entry) }));

  // Names may have slashes: "OpenVINO/Qwen3-8B-int4-cw-ov".
  app.get("/v1/models/:id{.+}", async (c) => {
    const id = c.req.param("id");
    c.get("exchange").model = id;
    return c.json(entry(await runtime.models.get(wishOf(id, undefined).model)));
  });

  app.post("/v1/chat/completions", async (c) => {
    const body = await readJson(c.req.raw, options.maxBodyBytes, () => c.get("exchange").bodyRead());
    const asked = check(chatRequest, body);
    refuseUnsupported(body, UNSUPPORTED);
    refuseUnsupported(asked.structured_outputs ?? {}, UNSUPPORTED_IN_STRUCTURED_OUTPUTS, "structured_outputs.");
    c.get("exchange").model = asked.model;
    const messages = messagesOf(asked);
    const sampling = samplingOf(asked);
    const choices = asked.n ?? 1;
    const request = {
      ...wishesOf(c, asked),
      prompt: { kind: "chat", messages },
      sampling,
      numCtx: asked.num_ctx,
      stream: asked.stream ?? false,
      truncate: false,
      choices,
    } as const;
    return answerGeneration(c, options, request, () =>
      openaiTranslator({
        id: `chatcmpl-${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`,
        created: Math.floor(clock.date().getTime() / 1000),
        model: asked.model,
        includeUsage: asked.stream_options?.include_usage ?? false,
        logprobs: sampling.logprobs ?? false,
        choices,
      }),
    );
  });

  return app;
}

function entry(model: Model) {
  return {
    id: model.name,
    object: "model",
    created: Math.floor(model.modified.getTime() / 1000),
    owned_by: "npu-proxy",
  };
}
