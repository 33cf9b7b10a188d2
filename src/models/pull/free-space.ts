/** Room on the disk that holds the models. */
import { statfs } from "node:fs/promises";
import { ProxyError } from "../../core/errors.ts";

/** Bytes that this user can still write to the file system of a folder. */
export type FreeSpace = (folder: string) => Promise<number>;

/** Left free beside a download: a disk that is full to the last byte takes the rest of the machine down with it. */
const RESERVE = 64 * 1024 * 1024;

export const freeSpace: FreeSpace = async (folder) => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

/**
 * Compares what is still to be written with what is free.
 * @throws ProxyError storage_full, with how much is missing
 */
export async function requireSpace(folder: string, bytes: number, free: FreeSpace): Promise<void> {
  if (bytes === 0) return;
  const missing = bytes + RESERVE - (await free(folder));
  if (missing > 0) throw storageFull(bytes, missing);
}

/** @param missing bytes to free before it fits */
export function storageFull(bytes: number, missing: number, cause?: unknown): ProxyError {
  return new ProxyError(
    "storage_full",
    `The disk that holds the models is too full: ${inWords(bytes)} are still to be written, ${inWords(missing)} more must be free. Make room (\`npu-proxy prune\` lists what can go) and pull again: what was fetched is kept.`,
    { cause },
  );
}

/** "1.5 GB"; rounded up, so that what is said to be missing is enough. */
function inWords(bytes: number): string {
  if (bytes < 1e6) return `${Math.max(1, Math.ceil(bytes / 1e3))} kB`;
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(Math.ceil(bytes / 1e8) / 10).toFixed(1)} GB`;
}
