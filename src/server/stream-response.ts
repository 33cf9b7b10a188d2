import type { Context } from "hono";
import { logError } from "./errors.ts";
import type { ServerEnv } from "./exchange.ts";
import type { ServerOptions } from "./options.ts";
import { type StreamOptions, textStream } from "./stream.ts";

type Told = "source" | "open" | "text" | "isLast" | "error" | "work";

/** The response whose body is a stream; the exchange ends with it, and its log line tells how. */
export function answerStream<Item>(
  c: Context<ServerEnv>,
  { observer, slowReaderMs }: Pick<Required<ServerOptions>, "observer" | "slowReaderMs">,
  { headers, ...told }: Pick<StreamOptions<Item>, Told> & { readonly headers: Readonly<Record<string, string>> },
): Response {
  const exchange = c.get("exchange");
  exchange.streaming = true;
  const body = textStream({
    ...told,
    client: c.req.raw.signal,
    slowReaderMs,
    hangUp: () => c.env?.hangUp?.(),
    onEnd: (error) => {
      exchange.error = error?.code;
      if (error) logError(error, exchange, observer);
      exchange.end(error?.code === "client_closed" ? 499 : 200);
    },
  });
  return new Response(body, { headers: { ...headers, "Cache-Control": "no-cache" } });
}

/** Waits for the first item, so that a failure before it is still a clean status; then all items, the first included. */
export async function begun<Item>(source: AsyncIterable<Item>): Promise<AsyncIterable<Item>> {
  const iterator = source[Symbol.asyncIterator]();
  let first: IteratorResult<Item> | undefined = await iterator.next();
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const result = first ?? (await iterator.next());
        first = undefined;
        return result;
      },
      return: async () => (await iterator.return?.()) ?? { value: undefined, done: true },
    }),
  };
}
