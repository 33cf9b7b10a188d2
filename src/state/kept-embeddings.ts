/** Core's shelf of embeddings over the state database: written in batches, in the background. */
import type { Embedded, EmbeddingShelf } from "../core/embedding/cache.ts";
import type { Observer } from "../core/ports.ts";
import { reasonOf } from "./database.ts";
import type { EmbeddingTable } from "./embedding-table.ts";

/** So many changes are written without waiting for the time to be over. */
const MOST_UNWRITTEN = 4096;

export interface KeptEmbeddingsOptions {
  /** Undefined: nothing is kept. */
  readonly table: EmbeddingTable | undefined;
  readonly observer: Observer;
  /** How long a change may wait for others to be written with, in ms. */
  readonly writeDelayMs: number;
}

export class KeptEmbeddings implements EmbeddingShelf {
  readonly #options: KeptEmbeddingsOptions;
  #table: EmbeddingTable | undefined;
  readonly #written = new Set<string>();
  /** Undefined: one that is written is to be removed. */
  readonly #unwritten = new Map<string, Embedded | undefined>();
  #timer: NodeJS.Timeout | undefined;
  #failing = false;

  constructor(options: KeptEmbeddingsOptions) {
    this.#options = options;
    this.#table = options.table;
  }

  all(): Iterable<readonly [key: string, embedded: Embedded]> {
    const kept = this.#try(() => this.#table?.all()) ?? [];
    for (const [key] of kept) this.#written.add(key);
    return kept;
  }

  keep(key: string, embedded: Embedded): void {
    this.#change(key, embedded);
  }

  /** One that was not written yet never is. */
  drop(key: string): void {
    if (this.#written.has(key)) this.#change(key, undefined);
    else this.#unwritten.delete(key);
  }

  /** Removes what an earlier server kept. */
  clear(): void {
    this.#try(() => this.#table?.clear());
  }

  /** Writes what is not written yet; from then on nothing is kept. */
  close(): void {
    this.#write();
    this.#table = undefined;
  }

  #change(key: string, embedded: Embedded | undefined): void {
    if (!this.#table) return;
    this.#unwritten.set(key, embedded);
    // A disk that fails is asked again at its time, and not with every text; what it does not take is computed again.
    if (this.#unwritten.size >= MOST_UNWRITTEN && !this.#failing) this.#write();
    if (this.#unwritten.size >= MOST_UNWRITTEN) this.#unwritten.clear();
    this.#timer ??= setTimeout(() => this.#write(), this.#options.writeDelayMs).unref();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#unwritten.size === 0) return;
    this.#try(() => {
      this.#table?.write(this.#unwritten);
      for (const [key, embedded] of this.#unwritten)
        if (embedded) this.#written.add(key);
        else this.#written.delete(key);
      this.#unwritten.clear();
      this.#failing = false;
    });
  }

  /** Told once: embeddings that cannot be kept are computed again. */
  #try<T>(act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      const reason = reasonOf(error);
      if (!this.#failing) this.#options.observer.log("warn", "embeddings are not kept", { reason });
      this.#failing = true;
      return undefined;
    }
  }
}
