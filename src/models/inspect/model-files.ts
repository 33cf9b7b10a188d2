/** The files of a model together: how large they are, and a digest that changes when they do. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";

const MIB = 1 << 20;

export interface ModelFiles {
  /** Sum, in bytes. */
  readonly size: number;
  readonly modified: Date;
  /** 64 hex digits over names, sizes and contents. */
  readonly digest: string;
}

/** @param names paths within the folder, with "/" */
export async function readModelFiles(directory: string, names: readonly string[]): Promise<ModelFiles> {
  const hash = createHash("sha256");
  let size = 0;
  let modified = 0;
  for (const name of names) {
    const facts = await fileFacts(join(directory, name));
    hash.update(`${name}\0${facts.size}\0${facts.hash}\n`);
    size += facts.size;
    modified = Math.max(modified, facts.modified);
  }
  return { size, modified: new Date(modified), digest: hash.digest("hex") };
}

/** A file up to 16 MiB counts by its content, a larger one by its size and its first and last MiB. */
async function fileFacts(file: string): Promise<{ size: number; modified: number; hash: string }> {
  const handle = await open(file);
  try {
    const { size, mtimeMs } = await handle.stat();
    const hash = createHash("sha256");
    const ranges: [number, number][] =
      size <= 16 * MIB
        ? [[0, size]]
        : [
            [0, MIB],
            [size - MIB, MIB],
          ];
    for (const [position, length] of ranges) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
      hash.update(buffer.subarray(0, bytesRead));
    }
    return { size, modified: mtimeMs, hash: hash.digest("hex") };
  } finally {
    await handle.close();
  }
}
