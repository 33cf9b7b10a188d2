import { ProxyError } from "../core/errors.ts";
import { toldError } from "./errors.ts";

export interface StreamOptions<Item> {
  /** What happens, in order; it ends after its last item or throws a ProxyError. */
  readonly source: AsyncIterable<Item>;
  /** What comes before the first item. */
  readonly open?: string;
  /** An item as text; "" is not sent. */
  readonly text: (item: Item) => string;
  /** Whether the text ends with this item: it is not waited for more. */
  readonly isLast: (item: Item) => boolean;
  /** After the status line went out: the error as the last chunk. */
  readonly error: (error: ProxyError) => string;
  /** Aborts when the client closes its connection. */
  readonly client: AbortSignal;
  /** Aborted by the stream when it ends early: cancels what makes the items. */
  readonly work: AbortController;
  readonly slowReaderMs: number;
  /** Closes the connection of a client that reads nothing any more. */
  hangUp(): void;
  /** Called once, at the end of the stream; with the error where that was not the end of the answer. */
  onEnd(error?: ProxyError): void;
}

/**
 * A response body made of events, pulled as the client reads: an unread stream asks for nothing more.
 * (Hono's streamSSE keeps a producer running after its client left, and ends as a success when it throws.)
 */
export function textStream<Item>(options: StreamOptions<Item>): ReadableStream<Uint8Array> {
  const { client, work, slowReaderMs, open = "" } = options;
  const iterator = options.source[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  let over = false;
  let unread: ReturnType<typeof setTimeout> | undefined;

  const end = (error?: ProxyError) => {
    over = true;
    clearTimeout(unread);
    client.removeEventListener("abort", leave);
    if (error) {
      // In this order: an async generator's return() waits behind a next() that only the abort ends.
      work.abort();
      void Promise.resolve(iterator.return?.()).catch(() => {});
    }
    options.onEnd(error);
  };
  const leave = () => {
    if (!over) end(toldError(undefined, AbortSignal.abort()));
  };

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (client.aborted) {
          leave();
          controller.close();
          return;
        }
        client.addEventListener("abort", leave);
        if (open !== "") controller.enqueue(encoder.encode(open));
      },

      async pull(controller) {
        clearTimeout(unread);
        try {
          // A pull that enqueues nothing is not repeated: go on to the next item that has text to send.
          for (let sent = false; !sent && !over; ) {
            const next = await iterator.next();
            if (over) return;
            if (next.done) throw new ProxyError("inference_failed", "The answer ended before it was finished.");
            const text = options.text(next.value);
            sent = text !== "";
            if (sent) controller.enqueue(encoder.encode(text));
            if (options.isLast(next.value)) {
              end();
              controller.close();
              return;
            }
          }
        } catch (thrown) {
          if (over) return;
          const error = toldError(thrown, client);
          end(error);
          controller.enqueue(encoder.encode(options.error(error)));
          controller.close();
          return;
        }
        unread = setTimeout(() => {
          const error = new ProxyError(
            "slow_reader",
            `The client read nothing for ${slowReaderMs} ms, so its answer was ended; read streams as they arrive.`,
          );
          end(error);
          controller.enqueue(encoder.encode(options.error(error)));
          controller.close();
          options.hangUp();
        }, slowReaderMs);
      },

      cancel: leave,
    },
    { highWaterMark: 0 },
  );
}
