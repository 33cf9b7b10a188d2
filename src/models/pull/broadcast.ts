/**
 * One stream of news with any number of readers: a reader that joins late gets the latest of each kind first, and one that is
 * slow misses what was overtaken. So what waits for a reader is bounded by the number of kinds.
 */
export class Broadcast<T> {
  readonly #kindOf: (item: T) => string;
  readonly #onDeserted: () => void;
  readonly #latest = new Map<string, T>();
  readonly #readers = new Set<Reader<T>>();
  #end: End | undefined;

  /**
   * @param kindOf a newer item of one kind takes the place of an older one
   * @param onDeserted called when the last reader leaves before the end
   */
  constructor(kindOf: (item: T) => string, onDeserted: () => void) {
    this.#kindOf = kindOf;
    this.#onDeserted = onDeserted;
  }

  push(item: T): void {
    const kind = this.#kindOf(item);
    this.#latest.set(kind, item);
    for (const reader of this.#readers) reader.push(kind, item);
  }

  /** No more items; what waits is still delivered, then the end or the error. */
  close(error?: unknown): void {
    this.#end ??= error === undefined ? {} : { error };
    for (const reader of this.#readers) reader.close(this.#end);
  }

  /** Reads from now on; the signal leaves, with its reason. */
  subscribe(signal: AbortSignal): AsyncIterator<T, undefined> {
    const leave = (): void => {
      signal.removeEventListener("abort", abort);
      if (this.#readers.delete(reader) && this.#readers.size === 0 && !this.#end) this.#onDeserted();
    };
    const reader = new Reader<T>(this.#latest, leave);
    const abort = (): void => {
      leave();
      reader.drop({ error: signal.reason });
    };
    this.#readers.add(reader);
    if (this.#end) reader.close(this.#end);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort);
    return reader;
  }
}

/** How it ended; without an error: well. */
interface End {
  readonly error?: unknown;
}

class Reader<T> implements AsyncIterator<T, undefined> {
  readonly #items: Map<string, T>;
  readonly #leave: () => void;
  #end: End | undefined;
  #wake: (() => void) | undefined;

  constructor(items: ReadonlyMap<string, T>, leave: () => void) {
    this.#items = new Map(items);
    this.#leave = leave;
  }

  push(kind: string, item: T): void {
    this.#items.set(kind, item);
    this.#wake?.();
  }

  close(end: End): void {
    this.#end = end;
    this.#wake?.();
  }

  /** Ends at once, whatever waits. */
  drop(end: End): void {
    this.#items.clear();
    this.close(end);
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    while (this.#items.size === 0 && !this.#end)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    for (const [kind, item] of this.#items) {
      this.#items.delete(kind);
      return { value: item, done: false };
    }
    this.#leave();
    const end = this.#end;
    this.#end = {}; // an error is told once
    if (end && "error" in end) throw end.error;
    return { value: undefined, done: true };
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#leave();
    this.drop({});
    return Promise.resolve({ value: undefined, done: true });
  }
}
