import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { Observer } from "../../src/core/ports.ts";
import { createSearchCache } from "../../src/models/hub/search-cache.ts";
import { temporaryFolder } from "../support/demo.ts";

const silent: Observer = { log: () => {} };
let folder: ReturnType<typeof temporaryFolder>;

beforeEach(() => {
  folder = temporaryFolder();
});

afterEach(() => folder[Symbol.dispose]());

test("forgets with time, also what is on disk, and what the future holds", async () => {
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
