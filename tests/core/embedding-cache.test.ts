/** The cache of vectors against a plain model of it, and what it keeps on its shelf. */
import { describe, expect, test } from "bun:test";
import { type Embedded, EmbeddingCache, type EmbeddingShelf } from "../../src/core/embedding/cache.ts";

const embedded = (dimensions: number, fill = 1): Embedded => ({
  vector: new Float32Array(dimensions).fill(fill),
  tokens: dimensions,
  cut: false,
});

class Shelf implements EmbeddingShelf {
  readonly kept = new Map<string, Embedded>();
  all(): Iterable<readonly [string, Embedded]> {
    return [...this.kept];
  }
  keep(key: string, one: Embedded): void {
    this.kept.delete(key);
    this.kept.set(key, one);
  }
  drop(key: string): void {
    this.kept.delete(key);
  }
}

/** Numbers from 0 to 1, the same each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("the cache", () => {
  test("holds the last used, within both bounds, whatever is done to it", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = numbers(seed);
      const mostEntries = 1 + Math.floor(random() * 20);
      const mostBytes = 1000 + Math.floor(random() * 20_000);
      const shelf = new Shelf();
      const cache = new EmbeddingCache({ mostEntries, mostBytes, shelf });
      /** The least recently used first. */
      let model: [key: string, Embedded][] = [];
      for (let step = 0; step < 500; step++) {
        const key = `key ${Math.floor(random() * 30)}`;
        const known = model.find(([other]) => other === key);
        if (random() < 0.5) {
          expect(cache.find(key)).toBe(known?.[1] as Embedded);
          if (known) model = [...model.filter((entry) => entry !== known), known];
        } else {
          const one = embedded(Math.floor(random() * 400), step);
          const bytes = cache.state.bytes;
          cache.put(key, one);
          if (one.vector.byteLength + 600 > mostBytes) expect(cache.state.bytes).toBe(bytes);
          else model = [...model.filter((entry) => entry !== known), [key, one]];
          while (model.length > mostEntries || bytesOf(model) > mostBytes) model.shift();
        }
        expect(cache.state).toMatchObject({ entries: model.length, bytes: bytesOf(model) });
      }
      expect(new Set(shelf.kept.keys())).toEqual(new Set(model.map(([key]) => key)));
    }
  });

  test("begins with what its shelf has, cut to its bounds: the oldest go", () => {
    const shelf = new Shelf();
    for (const key of ["a", "b", "c"]) shelf.keep(key, embedded(4));
    const cache = new EmbeddingCache({ mostEntries: 2, mostBytes: 2 ** 20, shelf });
    expect([cache.find("a"), cache.find("b")?.tokens, cache.state.entries]).toEqual([undefined, 4, 2]);
    expect([...shelf.kept.keys()]).toEqual(["b", "c"]);
  });

  test("of no entries keeps none, and counts all the same", () => {
    const shelf = new Shelf();
    const cache = new EmbeddingCache({ mostEntries: 0, mostBytes: 2 ** 20, shelf });
    cache.put("a", embedded(4));
    cache.count(2, 3);
    expect([cache.find("a"), shelf.kept.size]).toEqual([undefined, 0]);
    expect(cache.state).toEqual({ entries: 0, bytes: 0, hits: 2, misses: 3 });
  });
});

function bytesOf(entries: readonly (readonly [string, Embedded])[]): number {
  return entries.reduce((sum, [, { vector }]) => sum + vector.byteLength + 600, 0);
}
