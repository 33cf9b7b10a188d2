/** What lies beside compiled blobs: whose they are, and checksums, since OpenVINO runs a blob with damaged constants. */
import { createReadStream } from "node:fs";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import * as v from "valibot";
import type { CompiledOrigin } from "../core/compiled.ts";
import { keepNote } from "../native/cache-note.ts";

export const NOTE = "entry.json";

const schema = v.object({
  origin: v.object({
    model: v.string(),
    digest: v.string(),
    device: v.string(),
    architecture: v.string(),
    driver: v.string(),
    emulated: v.boolean(),
    maxPromptTokens: v.number(),
    contextLength: v.number(),
    openvino: v.string(),
  }),
  /** When it was compiled first, ISO 8601. */
  created: v.string(),
  /** By the files' names. */
  blobs: v.record(v.string(), v.object({ bytes: v.number(), modified: v.number(), crc32: v.number() })),
});
type Note = v.InferOutput<typeof schema>;
type Blobs = Note["blobs"];

/** The note of a folder, and when it was touched last; undefined where there is none, or a damaged one. */
export async function readNote(folder: string): Promise<(Note & { readonly touched: Date }) | undefined> {
  const path = join(folder, NOTE);
  try {
    const [text, { mtime }] = await Promise.all([readFile(path, "utf8"), stat(path)]);
    return { ...v.parse(schema, JSON.parse(text)), touched: mtime };
  } catch {
    return undefined;
  }
}

/** Writes the note of a folder, and what it knew of it before stays. What cannot be written is compiled anew. */
export async function writeNote(folder: string, origin: CompiledOrigin, blobs?: Blobs): Promise<void> {
  const known = await readNote(folder);
  const note: Note = {
    origin,
    created: known?.created ?? new Date().toISOString(),
    blobs: blobs ?? known?.blobs ?? {},
  };
  await keepNote(join(folder, NOTE), `${JSON.stringify(note)}\n`);
}

/** Removes every blob that is not what the note says, and those it does not name: a runner that was killed left them.
 *  Returns how many stay. */
export async function removeDamaged(folder: string): Promise<number> {
  const blobs = (await readNote(folder))?.blobs ?? {};
  let whole = 0;
  for (const name of await filesIn(folder)) {
    const path = join(folder, name);
    const known = blobs[name];
    if (known && (await checksum(path)) === known.crc32) whole++;
    else await rm(path, { force: true }).catch(() => undefined);
  }
  return whole;
}

/** Notes the blobs that a load left; reads those alone that are new or changed. */
export async function noteBlobs(folder: string, origin: CompiledOrigin): Promise<void> {
  const known = (await readNote(folder))?.blobs ?? {};
  const blobs: Blobs = {};
  let changed = false;
  for (const name of await filesIn(folder)) {
    const path = join(folder, name);
    const file = await stat(path).catch(() => undefined);
    if (!file) continue;
    const before = known[name];
    if (before?.bytes === file.size && before.modified === file.mtimeMs) blobs[name] = before;
    else {
      const sum = await checksum(path);
      if (sum === undefined) continue;
      blobs[name] = { bytes: file.size, modified: file.mtimeMs, crc32: sum };
      changed = true;
    }
  }
  if (changed) await writeNote(folder, origin, blobs);
}

/** The files of a folder and those below it, but its note, by their paths in it. */
export async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((name) => name !== NOTE);
}

/** Against rot and half-written files, not against an enemy: who can write a blob can write its note. */
async function checksum(path: string): Promise<number | undefined> {
  let sum = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) sum = crc32(chunk as Uint8Array, sum);
    return sum;
  } catch {
    return undefined; // gone meanwhile, or not to be read
  }
}
