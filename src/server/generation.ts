import type { Context } from "hono";
import { ProxyError } from "../core/errors.ts";
import type { Answer } from "../core/ports.ts";
import { deviceClass, type GenerateEvent, type GenerateRequest } from "../core/request.ts";
import type { Translator, Whole } from "./dialect.ts";
import { logError, toldError } from "./errors.ts";
import type { Exchange, ServerEnv } from "./exchange.ts";
import type { ServerOptions } from "./options.ts";
import { eventStream } from "./stream.ts";

/**
 * Runs one generation for one HTTP request and answers it in the words of a translator. No header is sent before the
 * engine accepted the request, so every error until then is a clean status. The generation ends when the client leaves.
 * @throws ProxyError whatever Runtime.generate throws; without `stream` also what the generation throws
 */
export async function answerGeneration(
  c: Context<ServerEnv>,
  options: Required<ServerOptions>,
  request: Omit<GenerateRequest, "id"> & { readonly stream: boolean },
  translatorOf: (answer: Answer) => Translator,
): Promise<Response> {
  const exchange = c.get("exchange");
  const client = c.req.raw.signal;
  const generation = new AbortController();
  const { stream, ...what } = request;
  const answer = await options.runtime.generate(
    { ...what, id: exchange.id },
    AbortSignal.any([client, generation.signal]),
  );
  exchange.accepted(answer);
  const translator = translatorOf(answer);
  const headers = {
    "X-NPU-Proxy-Device": deviceClass(answer.device.name),
    "X-NPU-Proxy-Route-Reason": answer.reason,
    "X-NPU-Proxy-Token-Count": String(answer.promptTokens),
  };
  if (!stream) {
    const body = translator.whole(await collect(answer.events, exchange, client));
    return Response.json(body, { headers: { ...headers, "Content-Type": "application/json; charset=utf-8" } });
  }
  exchange.streaming = true;
  const body = eventStream({
    events: answer.events,
    translator,
    client,
    generation,
    slowReaderMs: options.slowReaderMs,
    hangUp: () => c.env?.hangUp?.(),
    onEvent: (event) => exchange.saw(event),
    onEnd: (error) => {
      exchange.error = error?.code;
      if (error) logError(error, exchange, options.observer);
      exchange.end(error?.code === "client_closed" ? 499 : 200);
    },
  });
  return new Response(body, {
    headers: { ...headers, "Content-Type": translator.contentType, "Cache-Control": "no-cache" },
  });
}

/** The whole answer; leaves its events at once when the client does. */
async function collect(events: AsyncIterable<GenerateEvent>, exchange: Exchange, client: AbortSignal): Promise<Whole> {
  const left = Promise.withResolvers<never>();
  const leave = () => left.reject(toldError(undefined, client));
  if (client.aborted) leave();
  client.addEventListener("abort", leave);
  try {
    return await Promise.race([join(events, exchange), left.promise]);
  } finally {
    client.removeEventListener("abort", leave);
  }
}

async function join(events: AsyncIterable<GenerateEvent>, exchange: Exchange): Promise<Whole> {
  let text = "";
  let whole: Whole | undefined;
  for await (const event of events) {
    exchange.saw(event);
    if (event.type === "delta") text += event.text;
    else whole = { text, reason: event.reason, usage: event.usage };
  }
  if (!whole) throw new ProxyError("inference_failed", "The engine ended the answer before it was finished.");
  return whole;
}
