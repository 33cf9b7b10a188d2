/** What searches found, for a while: the last ones in memory, more of them on disk, where a restart leaves them. */
import { createHash } from "node:crypto";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { Observer } from "../../core/ports.ts";
import { writeDurable } from "../store/durable-file.ts";
import { type FoundModel, foundModel } from "./found-model.ts";

export interface SearchCache {
  /** The models found under this key; `find` is asked where none are known. Its failures are never kept. */
  get(key: string, find: () => Promise<readonly FoundModel[]>): Promise<readonly FoundModel[]>;
}

export interface SearchCacheOptions {
  /** Made when something is written. A folder that cannot be written costs the cache, never the search. */
  readonly directory: string;
  readonly observer: Observer;
  readonly lifetimeMs?: number;
  /** Searches in memory. */
  readonly capacity?: number;
  /** Searches on disk. */
  readonly files?: number;
  readonly now?: () => number;
}

interface Entry {
  /** Wall clock, ms. */
  readonly at: number;
  readonly models: readonly FoundModel[];
}

const record = v.object({ version: v.literal(1), key: v.string(), at: v.number(), models: v.array(foundModel) });
const RECORD = /^[0-9a-f]{64}\.json$/;

/** The least recently used leave first. */
export function createSearchCache(options: SearchCacheOptions): SearchCache {
  const { directory, observer, lifetimeMs = 10 * 60_000, capacity = 32, files = 128, now = Date.now } = options;
  const memory = new Map<string, Entry>();

  // An entry from the future is none: the clock was set back, and it would live for as long as that.
  const isFresh = ({ at }: Entry): boolean => now() >= at && now() - at < lifetimeMs;

  const remember = (key: string, entry: Entry): void => {
    memory.delete(key);
    memory.set(key, entry);
    for (const oldest of memory.keys()) if (memory.size > capacity) memory.delete(oldest);
  };

  const fileOf = (key: string): string => join(directory, `${createHash("sha256").update(key).digest("hex")}.json`);

  const read = async (key: string): Promise<Entry | undefined> => {
    try {
      const parsed = v.safeParse(record, JSON.parse(await readFile(fileOf(key), "utf8")));
      return parsed.success && parsed.output.key === key ? parsed.output : undefined;
    } catch {
      return undefined;
    }
  };

  const write = async (key: string, entry: Entry): Promise<void> => {
    try {
      await writeDurable(fileOf(key), JSON.stringify({ version: 1, key, ...entry }));
      const names = (await readdir(directory)).filter((name) => RECORD.test(name));
      if (names.length <= files) return;
      const aged = await Promise.all(
        names.map(async (name) => ({ name, at: (await stat(join(directory, name))).mtimeMs })),
      );
      aged.sort((a, b) => a.at - b.at);
      for (const { name } of aged.slice(0, names.length - files)) await rm(join(directory, name), { force: true });
    } catch (error) {
      observer.log("debug", "a search was not kept on disk", { reason: String(error) });
    }
  };

  return {
    async get(key, find) {
      const known = memory.get(key) ?? (await read(key));
      if (known !== undefined && isFresh(known)) {
        remember(key, known);
        return known.models;
      }
      memory.delete(key);
      const entry = { at: now(), models: await find() };
      remember(key, entry);
      await write(key, entry);
      return entry.models;
    },
  };
}
