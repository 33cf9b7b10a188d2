/** A generation whose first event has come. */
import type { GenerateEvent } from "./request.ts";

/**
 * Waits for the first event, so that a failure before it can still move to another device or become a clean status;
 * then hands all events on, calling `answered` at `done` and `release` when they end or the reader leaves.
 */
export async function withFirstEvent(
  events: AsyncIterable<GenerateEvent>,
  release: () => void,
  answered: () => void,
): Promise<AsyncIterable<GenerateEvent>> {
  const source = events[Symbol.asyncIterator]();
  let first: IteratorResult<GenerateEvent> | undefined = await source.next();
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        try {
          const result = first ?? (await source.next());
          first = undefined;
          if (result.done) release();
          else if (result.value.type === "done") answered();
          return result;
        } catch (error) {
          release();
          throw error;
        }
      },
      return: async () => {
        release();
        await source.return?.();
        return { value: undefined, done: true };
      },
    }),
  };
}
