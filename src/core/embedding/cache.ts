/** Vectors that were computed before: the least recently used go first. */

/** One input's outcome. Whoever gets one shares it with others and does not write into its vector. */
export interface Embedded {
  /** As the model gave it, of all its dimensions: not normalized. */
  readonly vector: Float32Array;
  /** As they were computed: after the cut, with special tokens and instruction. */
  readonly tokens: number;
  readonly cut: boolean;
}

/** Where they outlast the process; src/state implements it. Never throws: what cannot be kept is computed again. */
export interface EmbeddingShelf {
  /** What was kept, in the order in which it was. */
  all(): Iterable<readonly [key: string, embedded: Embedded]>;
  keep(key: string, embedded: Embedded): void;
  drop(key: string): void;
}

export interface CacheOptions {
  /** 0: nothing is remembered. */
  readonly mostEntries: number;
  readonly mostBytes: number;
  /** Absent: what is remembered ends with the process. */
  readonly shelf?: EmbeddingShelf | undefined;
}

export interface CacheState {
  readonly entries: number;
  readonly bytes: number;
  /** Inputs that were answered without computing them. */
  readonly hits: number;
  readonly misses: number;
}

/** Key and objects of an entry, beside its vector, about: 500 to 800 with 100,000 vectors of 64 to 1,024 dimensions. */
const ENTRY_BYTES = 600;

/** Keys hold everything that a vector depends on (see keys.ts): an entry is never wrong, only old. */
export class EmbeddingCache {
  readonly #options: CacheOptions;
  /** The least recently used first. */
  readonly #entries = new Map<string, Embedded>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;

  constructor(options: CacheOptions) {
    this.#options = options;
    for (const [key, embedded] of options.shelf?.all() ?? []) this.#add(key, embedded);
    this.#shrink();
  }

  get state(): CacheState {
    return { entries: this.#entries.size, bytes: this.#bytes, hits: this.#hits, misses: this.#misses };
  }

  find(key: string): Embedded | undefined {
    const found = this.#entries.get(key);
    if (!found) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, found);
    return found;
  }

  /**
   * A vector of which nobody else holds a part: a view would keep all of what it is a view of. One that holds what is no number
   * is not remembered: computed again, it may be right.
   */
  put(key: string, embedded: Embedded): void {
    const { mostEntries, mostBytes, shelf } = this.#options;
    if (mostEntries === 0 || bytesOf(embedded) > mostBytes || !embedded.vector.every(Number.isFinite)) return;
    this.#add(key, embedded);
    shelf?.keep(key, embedded);
    this.#shrink();
  }

  /** Of one request: inputs that were answered from here (or by another request), and those that were not. */
  count(hits: number, misses: number): void {
    this.#hits += hits;
    this.#misses += misses;
  }

  #add(key: string, embedded: Embedded): void {
    this.#forget(key);
    this.#entries.set(key, embedded);
    this.#bytes += bytesOf(embedded);
  }

  #forget(key: string): void {
    const known = this.#entries.get(key);
    if (!known) return;
    this.#entries.delete(key);
    this.#bytes -= bytesOf(known);
  }

  #shrink(): void {
    const { mostEntries, mostBytes, shelf } = this.#options;
    for (const key of this.#entries.keys()) {
      if (this.#entries.size <= mostEntries && this.#bytes <= mostBytes) return;
      this.#forget(key);
      shelf?.drop(key);
    }
  }
}

function bytesOf({ vector }: Embedded): number {
  return vector.byteLength + ENTRY_BYTES;
}
