import { ProxyError } from "../core/errors.ts";
import type { GenerateEvent } from "../core/request.ts";
import { interleave } from "./choices.ts";
import type { Translator } from "./dialect.ts";
import { toldError } from "./errors.ts";

export interface StreamOptions {
  /** The events of each choice; most requests have one. */
  readonly choices: readonly AsyncIterable<GenerateEvent>[];
  readonly translator: Translator;
  /** Aborts when the client closes its connection. */
  readonly client: AbortSignal;
  /** Aborted by the stream when it ends early: cancels the generation. */
  readonly generation: AbortController;
  readonly slowReaderMs: number;
  /** Closes the connection of a client that reads nothing any more. */
  hangUp(): void;
  onEvent(event: GenerateEvent, choice: number): void;
  /** Called once, at the end of the stream; with the error where that was not the end of the answer. */
  onEnd(error?: ProxyError): void;
}

/**
 * A response body made of events, pulled as the client reads: an unread stream asks the engine for nothing more.
 * (Hono's streamSSE keeps a producer running after its client left, and ends as a success when it throws.)
 */
export function eventStream(options: StreamOptions): ReadableStream<Uint8Array> {
  const { translator, client, generation, slowReaderMs } = options;
  const iterator = interleave(options.choices)[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  let open = options.choices.length;
  let over = false;
  let unread: ReturnType<typeof setTimeout> | undefined;

  const end = (error?: ProxyError) => {
    over = true;
    clearTimeout(unread);
    client.removeEventListener("abort", leave);
    if (error) {
      // In this order: an async generator's return() waits behind a next() that only the abort ends.
      generation.abort();
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
        const text = translator.open();
        if (text !== "") controller.enqueue(encoder.encode(text));
      },

      async pull(controller) {
        clearTimeout(unread);
        try {
          // A pull that enqueues nothing is not repeated: go on to the next event that has text to send.
          for (let sent = false; !sent && !over; ) {
            const next = await iterator.next();
            if (over) return;
            if (next.done)
              throw new ProxyError("inference_failed", "The engine ended the answer before it was finished.");
            const { event, choice } = next.value;
            options.onEvent(event, choice);
            const text = translator.event(event, choice);
            sent = text !== "";
            if (sent) controller.enqueue(encoder.encode(text));
            if (event.type === "done" && --open === 0) {
              end();
              controller.close();
              return;
            }
          }
        } catch (thrown) {
          if (over) return;
          const error = toldError(thrown, client);
          end(error);
          controller.enqueue(encoder.encode(translator.error(error)));
          controller.close();
          return;
        }
        unread = setTimeout(() => {
          const error = new ProxyError(
            "slow_reader",
            `The client read nothing for ${slowReaderMs} ms, so its answer was ended; read streams as they arrive.`,
          );
          end(error);
          controller.enqueue(encoder.encode(translator.error(error)));
          controller.close();
          options.hangUp();
        }, slowReaderMs);
      },

      cancel: leave,
    },
    { highWaterMark: 0 },
  );
}
