/** What the file system refuses, as an error in words. */
import { ProxyError } from "../../core/errors.ts";

const FULL = ["ENOSPC", "EDQUOT"];
/** ENOTDIR: a file lies where a folder belongs. */
const REFUSED = ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST"];

/** Whether the file system refused because it is full (or the user's share of it is). */
export function isStorageFull(error: unknown): boolean {
  return FULL.includes((error as NodeJS.ErrnoException | undefined)?.code ?? "");
}

/**
 * An error of the file system, as a ProxyError: storage_full or storage_failed. A ProxyError and what an abort throws stay
 * what they are.
 */
export function asStorageError(error: unknown): unknown {
  if (error instanceof ProxyError || typeof (error as NodeJS.ErrnoException | undefined)?.code !== "string")
    return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  const details = { detail: message, cause: error };
  if (isStorageFull(error))
    return new ProxyError(
      "storage_full",
      "The disk that holds the models is full. Make room (`npu-proxy prune` lists what can go) and try again: what a pull has fetched is kept.",
      details,
    );
  if (REFUSED.includes(code))
    return new ProxyError(
      "storage_failed",
      `The folder of the models cannot be written to (${code}). Make it writable, or name another one in NPU_PROXY_MODEL_PATH.`,
      details,
    );
  return new ProxyError(
    "storage_failed",
    `The folder of the models failed (${code}). The log has the details; check the disk, then try again.`,
    details,
  );
}
