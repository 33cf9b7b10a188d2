/**
 * A bounded queue between one producer and one consumer: push on one side, `for await` on the other.
 * (Not an async generator: its `return()` waits behind a pending `next()`, so a reader that leaves would hang.)
 */
export class Channel<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  readonly #capacity: number;
  readonly #onLeave: () => void;
  readonly #onTake: (() => void) | undefined;
  readonly #onEnd: (() => void) | undefined;
  #waiting: { resolve(result: IteratorResult<T>): void; reject(reason: unknown): void } | undefined;
  #end: { error?: unknown } | undefined;

  /**
   * @param capacity most items held; one more ends the channel with an error (the producer broke its credit).
   * @param onLeave called once when the consumer leaves before the end.
   * @param onTake called for each item the consumer took: the producer's credit.
   * @param onEnd called once when the channel ends, however it does.
   */
  constructor(options: { capacity: number; onLeave: () => void; onTake?: () => void; onEnd?: () => void }) {
    this.#capacity = options.capacity;
    this.#onLeave = options.onLeave;
    this.#onTake = options.onTake;
    this.#onEnd = options.onEnd;
  }

  push(item: T): void {
    if (this.#end) return;
    if (this.#waiting) {
      const { resolve } = this.#waiting;
      this.#waiting = undefined;
      this.#onTake?.();
      resolve({ value: item, done: false });
    } else if (this.#items.length >= this.#capacity) {
      this.abandon(new RangeError(`A channel of ${this.#capacity} items overflowed.`));
    } else this.#items.push(item);
  }

  /** No more items; what was pushed is still delivered, then the end or the error. */
  close(error?: unknown): void {
    if (this.#end) return;
    this.#end = error === undefined ? {} : { error };
    this.#onEnd?.();
    if (!this.#waiting) return;
    const { resolve, reject } = this.#waiting;
    this.#waiting = undefined;
    if (error === undefined) resolve({ value: undefined, done: true });
    else reject(error);
  }

  /** Ends it for the producer too: as if the consumer had left, with an error for the consumer. */
  abandon(error?: unknown): void {
    if (this.#end) return;
    this.close(error);
    this.#onLeave();
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: () => {
        const item = this.#items.shift();
        if (item !== undefined) {
          this.#onTake?.();
          return Promise.resolve({ value: item, done: false });
        }
        if (this.#end) {
          const { error } = this.#end;
          this.#end = {}; // an error is told once
          return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error);
        }
        return new Promise((resolve, reject) => {
          this.#waiting = { resolve: resolve as (result: IteratorResult<T>) => void, reject };
        });
      },
      return: () => {
        this.abandon();
        this.#items.length = 0;
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }
}
