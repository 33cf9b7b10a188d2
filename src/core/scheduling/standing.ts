/** What is remembered of a placement's troubles, also while it is not loaded. Times in ns. Pure. */

const SECOND = 1e9;
const LONGEST_BACK_OFF = 30 * SECOND;
/** After its device ran out of memory a placement does not take more jobs at once for this long; then twice as many. */
const GROWTH_PAUSE = 300 * SECOND;
/** Troubles this old are forgotten with a placement that is gone. */
const MEMORY = 3600 * SECOND;

export class Standing {
  /** Before that it is not loaded. */
  notBefore = Number.NEGATIVE_INFINITY;
  /** Failed loads and crashes since its last answer. */
  #failures = 0;
  #limit = Number.POSITIVE_INFINITY;
  #halved = Number.NEGATIVE_INFINITY;
  #growsAt = Number.POSITIVE_INFINITY;
  #lastTrouble = Number.NEGATIVE_INFINITY;

  /** A load failed or its runner crashed: the next load may begin at once, then after 1, 2, 4 … 30 s. */
  failed(now: number): void {
    this.#failures++;
    this.#lastTrouble = now;
    const backOff = this.#failures === 1 ? 0 : SECOND * 2 ** (this.#failures - 2);
    this.notBefore = now + Math.min(backOff, LONGEST_BACK_OFF);
  }

  /** It was loaded and a job was done. */
  answered(): void {
    this.#failures = 0;
    this.notBefore = Number.NEGATIVE_INFINITY;
  }

  /**
   * A job ran out of memory, of `parallel` at once: from now on half as many. Where many fail together this counts once:
   * those that were started before the halving tell nothing of what it helped.
   */
  outOfMemory(parallel: number, startedAt: number, now: number): void {
    this.#growsAt = now + GROWTH_PAUSE;
    this.#lastTrouble = now;
    if (startedAt < this.#halved) return;
    this.#halved = now;
    this.#limit = Math.max(1, Math.floor(this.parallel(parallel) / 2));
  }

  /** Doubles what may run at once, where the pause is over. */
  grow(parallel: number, now: number): void {
    if (now < this.#growsAt) return;
    this.#limit *= 2;
    this.#growsAt = now + GROWTH_PAUSE;
    if (this.#limit < parallel) return;
    this.#limit = Number.POSITIVE_INFINITY;
    this.#growsAt = Number.POSITIVE_INFINITY;
  }

  /** Most jobs at once, of a placement that takes `parallel` when all is well. */
  parallel(parallel: number): number {
    return Math.min(parallel, this.#limit);
  }

  /** Nothing that would still be worth knowing. */
  forgettable(now: number): boolean {
    return (this.#failures === 0 && this.#limit === Number.POSITIVE_INFINITY) || now - this.#lastTrouble > MEMORY;
  }
}

/** By the placements' keys: a placement that comes back finds its own. */
export class Standings {
  readonly #standings = new Map<string, Standing>();

  /**
   * Of a placement that appears. Those of placements that are gone are forgotten where nothing in them is worth knowing.
   * @param alive has the keys of the placements that there are
   */
  of(key: string, alive: { has(key: string): boolean }, now: number): Standing {
    const known = this.#standings.get(key);
    if (known) return known;
    for (const [other, standing] of this.#standings)
      if (!alive.has(other) && standing.forgettable(now)) this.#standings.delete(other);
    const standing = new Standing();
    this.#standings.set(key, standing);
    return standing;
  }
}
