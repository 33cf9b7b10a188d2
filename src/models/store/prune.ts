/** What can go from the store and the cache without a model losing anything. */
import { existsSync } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { CompiledModels } from "../../core/compiled.ts";
import type { PruneReport } from "../../core/library.ts";
import { tryLock } from "../pull/lock.ts";
import { originOf } from "../pull/pull-folder.ts";
import { discard, entries, heal, placeOf, previousFolders } from "./folders.ts";

export interface PruneOptions {
  /** The user's store. */
  readonly models: string;
  /** What devices' compilers made. */
  readonly compiled: CompiledModels;
}

const HOUR = 3_600_000;
/** What no load has used for this long is compiled again when it is needed. */
const UNUSED = 30 * 24 * HOUR;

/** Something that can go, or what it is kept for. */
type Item = Pruned & ({ remove(): Promise<void> } | { readonly why: string });

type Pruned = PruneReport["items"][number];

/** With `dryRun` nothing is removed; what a living process works on is left alone either way.
 *  @throws the signal's reason, between one thing and the next */
export async function prune(
  { models, compiled }: PruneOptions,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<PruneReport> {
  const items = [
    ...(await partials(models, signal)),
    ...(await previous(models)),
    ...(await blobs(models)),
    ...(await unused(compiled)),
  ];
  signal.throwIfAborted();
  const pruned: Pruned[] = [];
  const kept: PruneReport["kept"][number][] = [];
  for (const item of items) {
    const { what, bytes } = item;
    if ("why" in item) {
      kept.push({ what, bytes, why: item.why });
      continue;
    }
    signal.throwIfAborted();
    if (!dryRun) await item.remove();
    pruned.push({ what, bytes });
  }
  return { items: pruned, bytes: pruned.reduce((sum, { bytes }) => sum + bytes, 0), kept };
}

/** Downloads and models that were not finished; some of them somebody is at. */
async function partials(models: string, signal: AbortSignal): Promise<Item[]> {
  const root = join(models, ".partial");
  const keys = new Set(entries(root).map(({ name }) => name.replace(/\.lock(\.break)*$/, "")));
  const items: Item[] = [];
  for (const key of [...keys].sort()) {
    signal.throwIfAborted();
    const folder = join(root, key);
    // Held while it is measured and let go again: whoever comes back to it meanwhile finds it.
    using lock = tryLock(`${folder}.lock`);
    if (!existsSync(folder)) continue;
    const found = { what: partialOf(key, originOf(folder)), bytes: await ownBytes(folder) };
    if (!lock) {
      items.push({ ...found, why: "a process is at work on it" });
      continue;
    }
    items.push({
      ...found,
      async remove() {
        using held = tryLock(`${folder}.lock`);
        if (held) await rm(folder, { recursive: true, force: true });
      },
    });
  }
  return items;
}

function partialOf(key: string, origin: string | undefined): string {
  if (key.startsWith("made-")) return "unfinished model";
  if (key.startsWith("removed-")) return "removed model";
  return origin === undefined ? "partial download" : `partial download of ${origin}`;
}

async function previous(models: string): Promise<Item[]> {
  // What a crash left there alone is a model, not the revision before one.
  heal(models);
  return await Promise.all(
    previousFolders(models).map(async ([name, folder]) => ({
      what: `previous revision of ${name}`,
      bytes: await ownBytes(folder),
      async remove() {
        if (existsSync(placeOf(models, name))) await discard(models, folder);
      },
    })),
  );
}

/** Uploads that no model was made of; the last hour's may be on their way to one. */
async function blobs(models: string): Promise<Item[]> {
  const files = await filesIn(join(models, ".blobs"));
  return files
    .filter(({ links }) => links === 1)
    .map(({ path, bytes, used }) => ({
      what: "blob",
      bytes,
      ...(Date.now() - used > HOUR
        ? { remove: () => rm(path, { force: true }) }
        : { why: "uploaded within the last hour: a model may be made of it yet" }),
    }));
}

async function unused(compiled: CompiledModels): Promise<Item[]> {
  return (await compiled.list())
    .filter(({ used, inUse }) => !inUse && Date.now() - used.getTime() > UNUSED)
    .map(({ key, origin, bytes }) => ({
      what: origin ? `${origin.model} compiled for ${origin.device}` : "compiled blob",
      bytes,
      remove: async () => void (await compiled.remove(key)),
    }));
}

interface Found {
  readonly path: string;
  readonly bytes: number;
  readonly links: number;
  /** When it was last read, written or linked, as far as the file system keeps that. */
  readonly used: number;
}

async function filesIn(folder: string): Promise<Found[]> {
  const found: Found[] = [];
  for (const { name } of entries(folder)) {
    const path = join(folder, name);
    const file = await stat(path).catch(() => undefined);
    if (file?.isFile())
      found.push({ path, bytes: file.size, links: file.nlink, used: Math.max(file.atimeMs, file.mtimeMs) });
  }
  return found;
}

/** Bytes that go with a folder: files that another folder shares stay. */
async function ownBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of entries(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await ownBytes(path);
    else {
      const file = await stat(path).catch(() => undefined);
      if (file?.nlink === 1) bytes += file.size;
    }
  }
  return bytes;
}
