/** Small notes in the cache folder: what a start found out, so that the next one need not. */
import { mkdir, open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Writes a note whole or not at all. One that cannot be written costs time at the next start and nothing else. */
export async function keepNote(target: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(target), { recursive: true });
    const temporary = `${target}.${process.pid}`;
    const file = await open(temporary, "w");
    await file.writeFile(text);
    await file.sync();
    await file.close();
    await rename(temporary, target);
  } catch {}
}
