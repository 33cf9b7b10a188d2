/** Inputs that are computed now: whoever asks for the same one meanwhile waits for it in the place of computing it again. */
import type { Priority } from "../request.ts";
import type { Embedded } from "./cache.ts";

interface Work {
  readonly lane: Priority;
  readonly outcome: Promise<Embedded | undefined>;
}

export class Underway {
  readonly #work = new Map<string, Work>();

  /**
   * What somebody computes under this key now, as soon as he has it; it resolves with undefined where he failed or left, which
   * says nothing of the input. A single query does not wait for a bulk's turn: it finds only what is as urgent as itself.
   */
  find(key: string, lane: Priority): Promise<Embedded | undefined> | undefined {
    const work = this.#work.get(key);
    return work && (lane === "batch" || work.lane === "interactive") ? work.outcome : undefined;
  }

  /** Somebody computes it from now on; what is returned is called with the outcome, once. */
  begin(key: string, lane: Priority): (outcome: Embedded | undefined) => void {
    const { promise, resolve } = Promise.withResolvers<Embedded | undefined>();
    const work = { lane, outcome: promise };
    this.#work.set(key, work);
    return (outcome) => {
      if (this.#work.get(key) === work) this.#work.delete(key);
      resolve(outcome);
    };
  }
}
