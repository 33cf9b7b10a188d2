import { type Context, Hono } from "hono";
import type * as v from "valibot";
import { ProxyError } from "../../core/errors.ts";
import type { Prompt } from "../../core/request.ts";
import { samplingFromOptions } from "../../core/sampling.ts";
import { check, readJson } from "../body.ts";
import type { ServerEnv } from "../exchange.ts";
import { answerGeneration } from "../generation.ts";
import type { ServerOptions } from "../options.ts";
import { refuseUnsupported } from "../unsupported.ts";
import { wishesOf } from "../wishes.ts";
import { formatOf } from "./format.ts";
import { loadedModels, tag } from "./models.ts";
import { OLLAMA_DEFAULTS } from "./options.ts";
import {
  chatRequest,
  generateRequest,
  UNSUPPORTED_IN_CHAT,
  UNSUPPORTED_IN_GENERATE,
  UNSUPPORTED_IN_MESSAGE,
} from "./schema.ts";
import {
  chatText,
  generateText,
  loadedBody,
  ollamaTranslator,
  promptMessages,
  type TextField,
  withoutText,
} from "./translate.ts";

/** Unknown options are logged once each, up to this many. */
const MAX_LOGGED_OPTIONS = 100;

type Asked = Pick<
  v.InferOutput<typeof chatRequest>,
  "model" | "stream" | "format" | "options" | "logprobs" | "keep_alive" | "truncate"
>;

/** Ollama's native API, as Ollama 0.33 and its clients have it. */
export function ollamaRoutes(options: Required<ServerOptions>): Hono<ServerEnv> {
  const { runtime, clock, observer } = options;
  const app = new Hono<ServerEnv>();
  const logged = new Set<string>();

  app.get("/", (c) => c.text("Ollama is running"));
  app.get("/api/version", (c) => c.json({ version: options.ollamaVersion }));
  app.get("/api/tags", async (c) => {
    const { models, damaged } = await runtime.models.inventory();
    // A field that Ollama has not: its clients pass over what they do not know, and mostly it is not there.
    return c.json({ models: models.map(tag), ...(damaged.length > 0 && { damaged }) });
  });
  app.get("/api/ps", (c) => c.json({ models: loadedModels(runtime.placements(), options) }));

  app.post("/api/chat", async (c) => {
    const body = await readJson(c.req.raw, options.maxBodyBytes, () => c.get("exchange").bodyRead());
    const asked = check(chatRequest, body);
    refuseUnsupported(body, UNSUPPORTED_IN_CHAT);
    for (const [i, message] of asked.messages.entries())
      refuseUnsupported(message, UNSUPPORTED_IN_MESSAGE, `messages[${i}].`);
    refuseThinking(asked.model, body["think"]);
    if (asked.messages.length === 0) return load(c, asked, chatText);
    const messages = asked.messages.map(({ role, content }) => ({ role, content }));
    return answer(c, asked, { kind: "chat", messages }, chatText);
  });

  app.post("/api/generate", async (c) => {
    const body = await readJson(c.req.raw, options.maxBodyBytes, () => c.get("exchange").bodyRead());
    const asked = check(generateRequest, body);
    refuseUnsupported(body, UNSUPPORTED_IN_GENERATE);
    refuseThinking(asked.model, body["think"]);
    if (asked.prompt === "") return load(c, asked, generateText);
    const prompt: Prompt = asked.raw
      ? { kind: "text", text: asked.prompt }
      : { kind: "chat", messages: promptMessages(asked.system, asked.prompt) };
    return answer(c, asked, prompt, generateText);
  });

  async function answer(c: Context<ServerEnv>, asked: Asked, prompt: Prompt, text: TextField): Promise<Response> {
    const exchange = c.get("exchange");
    exchange.model = asked.model;
    const grammar = formatOf(asked.format);
    const explicit = {
      ...samplingFromOptions(asked.options ?? {}, ignore),
      ...(asked.logprobs && { logprobs: true }),
      ...(grammar && { grammar }),
    };
    const request = {
      ...wishesOf(c, asked),
      prompt,
      sampling: explicit,
      defaults: OLLAMA_DEFAULTS,
      numCtx: asked.options?.["num_ctx"],
      stream: asked.stream ?? true,
      truncate: asked.truncate ?? true,
    };
    return answerGeneration(c, options, request, (accepted) =>
      ollamaTranslator({
        model: asked.model,
        text,
        clock,
        loadNs: () => accepted.loadNs,
        elapsedNs: () => exchange.elapsedNs,
      }),
    );
  }

  /** An empty prompt loads the model; with keep_alive 0 it asks for the opposite. */
  async function load(c: Context<ServerEnv>, asked: Asked, text: TextField): Promise<Response> {
    const exchange = c.get("exchange");
    exchange.model = asked.model;
    const wishes = wishesOf(c, asked);
    const told = { model: asked.model, text, clock };
    if (wishes.keepAliveMs === 0) {
      await runtime.unload(wishes);
      return c.json(withoutText(told, "unload"));
    }
    const { loadNs } = await runtime.load(wishes, c.req.raw.signal);
    return c.json(loadedBody({ ...told, loadNs: () => loadNs, elapsedNs: () => exchange.elapsedNs }));
  }

  function ignore(option: string): void {
    const name = option.slice(0, 100);
    if (logged.has(name) || logged.size >= MAX_LOGGED_OPTIONS) return;
    logged.add(name);
    observer.log("debug", "unknown option ignored", { option: name });
  }

  return app;
}

/** In Ollama's words, which clients match. */
function refuseThinking(model: string, think: unknown): void {
  if (think !== undefined && think !== null && think !== false)
    throw new ProxyError("unsupported_field", `"${model}" does not support thinking`, { param: "think" });
}
