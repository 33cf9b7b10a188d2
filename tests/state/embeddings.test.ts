/** Embeddings in the state folder: there after the next start, bounded, and gone where nothing is to be kept. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { EmbeddingCache } from "../../src/core/embedding/cache.ts";
import { openState, type State } from "../../src/state/state.ts";
import { until } from "../support/daemon.ts";
import { temporaryFolder } from "../support/demo.ts";
import { RecordingObserver } from "../support/scripted-runtime.ts";

const embedded = (tokens: number, ...vector: number[]) => ({
  vector: Float32Array.from(vector),
  tokens,
  cut: tokens > 5,
});

function open(folder: string, writeDelayMs?: number) {
  const observer = new RecordingObserver();
  const state = openState({ folder, observer, version: "1.0.0", ...(writeDelayMs !== undefined && { writeDelayMs }) });
  return { state, log: observer.entries, [Symbol.dispose]: () => state.close() };
}

const cacheOn = ({ embeddings }: State, mostEntries = 10): EmbeddingCache =>
  new EmbeddingCache({ mostEntries, mostBytes: 2 ** 20, shelf: embeddings });

/** What another process finds in the database. */
function keys(folder: string): string[] {
  using database = new Database(join(folder, "state.db"), { readonly: true });
  return database
    .query<{ key: string }, []>("SELECT key FROM embeddings ORDER BY rowid")
    .all()
    .map(({ key }) => key);
}

describe("embeddings", () => {
  test("are there after the next start, to the last bit", () => {
    using folder = temporaryFolder();
    const vectors = [embedded(3, 0.1, -1e-30, 3.4e38), embedded(9, Math.PI, 0, -0)];
    {
      using opened = open(folder.path);
      const cache = cacheOn(opened.state);
      for (const [index, one] of vectors.entries()) cache.put(`key ${index}`, one);
      expect(keys(folder.path)).toEqual([]); // not at each change
    }
    using opened = open(folder.path);
    const cache = cacheOn(opened.state);
    for (const [index, one] of vectors.entries()) expect(cache.find(`key ${index}`)).toEqual(one);
    expect([cache.state.entries, opened.log]).toEqual([2, []]);
  });

  test("are written while the server runs; those that gave way are removed, or never written", async () => {
    using folder = temporaryFolder();
    using opened = open(folder.path, 20);
    const cache = cacheOn(opened.state, 3);
    for (let i = 0; i < 10; i++) cache.put(`key ${i}`, embedded(i, i));
    await until(() => keys(folder.path).length > 0);
    expect(keys(folder.path)).toEqual(["key 7", "key 8", "key 9"]);
    cache.put("key 10", embedded(10, 10));
    await until(() => keys(folder.path).includes("key 10"));
    expect(keys(folder.path)).toEqual(["key 8", "key 9", "key 10"]);
  });

  test("of a larger cache are cut to a smaller one", () => {
    using folder = temporaryFolder();
    for (const most of [10, 2]) {
      using opened = open(folder.path);
      const cache = cacheOn(opened.state, most);
      for (let i = 0; most === 10 && i < 10; i++) cache.put(`key ${i}`, embedded(i, i));
      expect(cache.state.entries).toBe(most);
    }
    expect(keys(folder.path)).toEqual(["key 8", "key 9"]);
  });

  test("are removed where none are to be kept", () => {
    using folder = temporaryFolder();
    {
      using opened = open(folder.path);
      cacheOn(opened.state).put("key", embedded(1, 1));
    }
    expect(keys(folder.path)).toEqual(["key"]);
    using opened = open(folder.path);
    opened.state.embeddings.clear();
    expect(keys(folder.path)).toEqual([]);
  });

  test("of a database that fails are told once, and the cache goes on", async () => {
    using folder = temporaryFolder();
    using opened = open(folder.path, 1);
    const cache = cacheOn(opened.state);
    {
      using database = new Database(join(folder.path, "state.db"));
      database.run("DROP TABLE embeddings");
    }
    for (let round = 0; round < 3; round++) {
      cache.put(`key ${round}`, embedded(1, 1));
      await until(() => opened.log.length > 0);
    }
    await Bun.sleep(20);
    expect(opened.log.map(({ message }) => message)).toEqual(["embeddings are not kept"]);
    expect(cache.state.entries).toBe(3);
  });
});
