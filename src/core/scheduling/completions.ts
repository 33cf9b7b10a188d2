/** How fast requests come to their end, for whoever is told to try again later. Pure. */

/** Share of a new interval in the moving average. */
const WEIGHT = 0.1;
/** What is said where nothing was measured, and the most that is said, in ms. */
const UNKNOWN_MS = 1_000;
const LONGEST_MS = 120_000;

export class Completions {
  #last: number | undefined;
  /** Moving average of the time between two ends, in ns. */
  #interval: number | undefined;

  /** One more request ended, at `now` in ns, while others waited. */
  add(now: number, othersWait: boolean): void {
    // Time without anybody waiting says nothing about how fast places become free.
    if (this.#last !== undefined && othersWait) {
      const interval = now - this.#last;
      this.#interval = this.#interval === undefined ? interval : this.#interval + WEIGHT * (interval - this.#interval);
    }
    this.#last = now;
  }

  /** When a place among those that wait should be free, in ms from now. */
  get retryAfterMs(): number {
    return this.#interval === undefined ? UNKNOWN_MS : Math.min(LONGEST_MS, Math.max(1, this.#interval / 1e6));
  }
}
