import { Channel } from "../core/channel.ts";
import { ProxyError } from "../core/errors.ts";
import type { GenerateEvent } from "../core/request.ts";

/** An event of one of a request's choices, counted from 0. */
export interface ChoiceEvent {
  readonly choice: number;
  readonly event: GenerateEvent;
}

/**
 * The events of all choices of a request as they come; ends after the last `done`. At most one event of each choice
 * waits here: what is not read is not asked for. A choice that fails fails all, and leaving leaves all.
 */
export function interleave(choices: readonly AsyncIterable<GenerateEvent>[]): AsyncIterable<ChoiceEvent> {
  const sources = choices.map((events) => events[Symbol.asyncIterator]());
  let open = sources.length;
  const channel = new Channel<ChoiceEvent>({
    capacity: sources.length,
    onLeave: () => {
      for (const source of sources) void Promise.resolve(source.return?.()).catch(() => {});
    },
  });

  const pull = async (source: AsyncIterator<GenerateEvent>, choice: number): Promise<void> => {
    try {
      const next = await source.next();
      if (next.done) throw new ProxyError("inference_failed", "The engine ended the answer before it was finished.");
      channel.push({ choice, event: next.value });
      if (next.value.type !== "done") return;
      void drain(source);
      if (--open === 0) channel.close();
    } catch (thrown) {
      channel.abandon(thrown);
    }
  };

  return {
    [Symbol.asyncIterator]: () => {
      const joined = channel[Symbol.asyncIterator]();
      for (const [choice, source] of sources.entries()) void pull(source, choice);
      return {
        next: async () => {
          const next = await joined.next();
          const source = next.done || next.value.event.type === "done" ? undefined : sources[next.value.choice];
          if (source && !next.done) void pull(source, next.value.choice);
          return next;
        },
        return: async () => (await joined.return?.()) ?? { value: undefined, done: true },
      };
    },
  };
}

/** After `done` the engine's side may still have something to put away: let it come to its own end. */
async function drain(source: AsyncIterator<GenerateEvent>): Promise<void> {
  try {
    const last = await source.next();
    if (!last.done) await source.return?.();
  } catch {
    // The answer is complete; what fails behind it has nobody to be told to.
  }
}
