/** One thing at a time: what is interactive goes first, and otherwise who came first. */
import type { Priority } from "../core/request.ts";

export class Turns {
  readonly #waiting: Readonly<Record<Priority, (() => void)[]>> = { interactive: [], batch: [] };
  #taken = false;

  /** Runs the work when its turn has come. */
  async take<T>(lane: Priority, work: () => Promise<T>): Promise<T> {
    if (this.#taken) await new Promise<void>((resolve) => this.#waiting[lane].push(resolve));
    this.#taken = true;
    try {
      return await work();
    } finally {
      const next = this.#waiting.interactive.shift() ?? this.#waiting.batch.shift();
      if (next) next();
      else this.#taken = false;
    }
  }
}
