/** Ends a tokenizer process that grows without bound, long before the machine runs out of memory. */

/** Tokenizers of eight models take well under one GiB. */
const MOST_BYTES = 4 * 2 ** 30;
const LOOK_EVERY_MS = 100;
/** Looks after the last request: what a template allocates, it allocates soon. */
const LOOKS = 150;

export class MemoryGuard {
  readonly #exceeded: (limitBytes: number) => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #looks = 0;

  constructor(exceeded: (limitBytes: number) => void) {
    this.#exceeded = exceeded;
  }

  /** Looks at this process's memory for some seconds from now on. */
  watch(): void {
    this.#looks = LOOKS;
    this.#timer ??= setInterval(() => {
      if (process.memoryUsage.rss() > MOST_BYTES) this.#exceeded(MOST_BYTES);
      else if (--this.#looks > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    }, LOOK_EVERY_MS);
  }
}
