import { describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Observer } from "../../src/core/ports.ts";
import { createSearchCache } from "../../src/models/hub/search-cache.ts";
import { temporaryFolder } from "../support/demo.ts";
import { GRAPH, searchScene } from "../support/search-scene.ts";

const silent: Observer = { log: () => {} };

test("forgets with time, also what is on disk, and what the future holds", async () => {
  using folder = temporaryFolder();
  let now = 1_000_000;
  let asked = 0;
  const open = () => createSearchCache({ directory: folder.path, observer: silent, lifetimeMs: 1000, now: () => now });
  const ask = async (cache = open()) => {
    await cache.get("key", async () => {
      asked += 1;
      return [];
    });
    return asked;
  };
  const cache = open();
  expect(await ask(cache)).toBe(1);
  now += 999;
  expect([await ask(cache), await ask()]).toEqual([1, 1]);
  now += 1;
  expect([await ask(cache), await ask()]).toEqual([2, 2]);
  now -= 500_000;
  expect(await ask(cache)).toBe(3);
});

test("is bounded in memory and on disk; the least recently used leave", async () => {
  using folder = temporaryFolder();
  const asked: string[] = [];
  const cache = createSearchCache({ directory: folder.path, observer: silent, capacity: 2, files: 1 });
  const ask = (key: string) =>
    cache.get(key, async () => {
      asked.push(key);
      return [];
    });
  for (const key of ["a", "b", "a", "c", "a", "b"]) await ask(key);
  expect(asked).toEqual(["a", "b", "c", "b"]);
  expect(readdirSync(folder.path)).toHaveLength(1);
});

describe("a search with it", () => {
  test("is answered as the same search was, of whatever page and filter, and also after a restart", async () => {
    using it = await searchScene();
    it.add("a/one", GRAPH);
    await it.find({ text: "one" });
    await it.find({ text: " ONE ", offset: 1, quantization: "int4" });
    expect(it.server.requests.length).toBe(2);
    it.reopen();
    expect(await it.names({ text: "one" })).toEqual(["a/one"]);
    expect(it.server.requests.length).toBe(2);
    await it.find({ text: "two" });
    expect(it.server.requests.length).toBe(4);
  });

  test("that failed is not kept", async () => {
    using it = await searchScene();
    it.add("a/one", GRAPH);
    it.server.fault({ path: "/api/models", times: 2 }, { status: 503 });
    expect((await it.search()).from).toBe("catalog");
    expect((await it.search()).from).toBe("hub");
  });

  test("loses nothing by a folder that is damaged or cannot be written", async () => {
    using it = await searchScene();
    it.add("a/one", GRAPH);
    await it.find();
    const directory = join(it.folder, "search");
    for (const file of readdirSync(directory)) writeFileSync(join(directory, file), '{"version":1,"models":[{}]}');
    it.reopen();
    expect(await it.names()).toEqual(["a/one"]);
    expect(it.server.requests.length).toBe(4);
    const blocked = join(it.folder, "blocked");
    writeFileSync(blocked, "a file where a folder should be");
    it.reopen({ cacheDirectory: blocked });
    expect(await it.names()).toEqual(["a/one"]);
  });
});
