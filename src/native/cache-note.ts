/** Small notes in the cache folder: what a start found out, so that the next one need not. */
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Writes a note whole or not at all. One that cannot be written costs time at the next start and nothing else. */
export async function keepNote(target: string, text: string): Promise<void> {
  const temporary = `${target}.${process.pid}`;
  try {
    await mkdir(dirname(target), { recursive: true });
    await writeFlushed(temporary, text);
    await rename(temporary, target);
  } catch {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Closed also where the disk is full: a handle that is left to the garbage collector ends the process. */
async function writeFlushed(path: string, text: string): Promise<void> {
  await using file = await open(path, "w");
  await file.writeFile(text);
  await file.sync();
}
