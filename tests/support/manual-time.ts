/** A clock that stands until a test moves it, and the timers that go by it. */
import type { Clock, Timers } from "../../src/core/ports.ts";

export class ManualTime implements Clock, Timers {
  #now = 0;
  #next = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }

  date(): Date {
    return new Date(this.#now / 1e6);
  }

  after(ms: number, run: () => void): () => void {
    const id = this.#next++;
    this.#timers.set(id, { at: this.#now + ms * 1e6, run });
    return () => void this.#timers.delete(id);
  }

  /** Lets so many ms pass: what is due runs, each at its time, and whoever awaits it gets on. */
  async pass(ms: number): Promise<void> {
    await Bun.sleep(1); // what was begun gets to where it waits
    const until = this.#now + ms * 1e6;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= until).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [id, { at, run }] = due;
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, at);
      run();
      await new Promise(setImmediate);
    }
    this.#now = until;
    await Bun.sleep(0);
  }
}
