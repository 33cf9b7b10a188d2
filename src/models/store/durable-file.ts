/** Files that are there whole or not at all, also after a power cut. */
import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * Writes a file beside its target, flushes it and renames it. Makes the folders above it.
 * @param content whole, or in pieces: where those end with an error, nothing is kept
 */
export async function writeDurable(
  target: string,
  content: string | Uint8Array | AsyncIterable<Uint8Array>,
): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  // Hidden: what a crash leaves of it beside a model's files is none of them.
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await writeNew(temporary, typeof content === "string" || content instanceof Uint8Array ? [content] : content);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(target));
}

async function writeNew(
  path: string,
  pieces: Iterable<string | Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  await using file = await open(path, "wx");
  for await (const piece of pieces) await file.writeFile(piece);
  await file.sync();
}

/** Flushes a file that somebody else has written. */
export async function syncFile(path: string): Promise<void> {
  // Windows flushes nothing that is open for reading alone.
  await using file = await open(path, "r+");
  await file.sync();
}

/** Flushes a folder's entries: without it a rename may be undone by a power cut. Windows does so by itself and refuses. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  await using folder = await open(path, "r");
  await folder.sync();
}
