/** Folders made of other folders' files: shared where they lie in a store, copied where they are somebody else's. */
import { constants } from "node:fs";
import { copyFile, link, mkdir, open, realpath, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ProxyError } from "../../core/errors.ts";
import { isSafePath } from "../hub/hub-file.ts";
import { syncFile, syncFolder } from "./durable-file.ts";
import { hashOf } from "./file-hash.ts";
import { filesOf } from "./folders.ts";
import { MANIFEST, type ManifestFile, readManifest } from "./manifest.ts";

/** Whether the new folder's files may be the old ones (hard links) or must be copies that the owner's edits do not reach. */
export type Sharing = "link" | "copy";

/**
 * Fills a folder with files of another (the manifest is left out) and flushes it. Each can be removed without the other.
 * Returns the files with their SHA-256: from the manifest where there is one, else hashed.
 * @throws ProxyError invalid_request for a file name that no manifest can have: the model could not be read any more
 */
export async function deriveFolder(
  from: string,
  into: string,
  sharing: Sharing,
  signal: AbortSignal,
): Promise<readonly ManifestFile[]> {
  const known = new Map(sharing === "link" ? (readManifest(from)?.files ?? []).map((file) => [file.path, file]) : []);
  const files: ManifestFile[] = [];
  const paths = filesOf(from).filter((file) => file !== MANIFEST);
  const odd = paths.find((path) => !isSafePath(path));
  if (odd !== undefined)
    throw new ProxyError(
      "invalid_request",
      `The folder has a file whose name cannot be stored: ${JSON.stringify(odd.slice(0, 80))}. Rename it, or move it elsewhere.`,
    );
  for (const path of paths) {
    signal.throwIfAborted();
    const target = join(into, path);
    await place(join(from, path), target, sharing, signal);
    files.push(known.get(path) ?? (await recordOf(into, path, signal)));
  }
  await syncFolder(into);
  return files;
}

/** What a manifest says of a file. */
export async function recordOf(folder: string, path: string, signal: AbortSignal): Promise<ManifestFile> {
  const file = join(folder, path);
  return { path, size: (await stat(file)).size, sha256: await hashOf(file, signal) };
}

/**
 * Puts one file in a place of its own: a hard link, else a copy that shares its blocks where the file system can.
 * @throws the signal's reason: a copy ends within a mebibyte, and what there is of it is the caller's to remove
 */
export async function place(from: string, target: string, sharing: Sharing, signal: AbortSignal): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  // A link to a symbolic link would be one as well, and point nowhere from its new place.
  const source = await realpath(from);
  if (sharing === "link") {
    try {
      await link(source, target);
      return;
    } catch (error) {
      // Another file system (a system store), a file of another owner, too many links, a file system without them.
      const code = (error as NodeJS.ErrnoException).code ?? "";
      if (!["EXDEV", "EPERM", "EACCES", "EMLINK", "ENOTSUP", "ENOSYS", "EOPNOTSUPP"].includes(code)) throw error;
    }
  }
  if (await isCloned(source, target)) return;
  await using input = await open(source);
  await using output = await open(target, "wx", (await input.stat()).mode);
  const buffer = Buffer.allocUnsafe(1 << 20);
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await input.read(buffer, 0, buffer.length);
    if (bytesRead === 0) break;
    await output.writeFile(buffer.subarray(0, bytesRead));
  }
  await output.sync();
}

/** Makes a copy that costs no blocks, where the file system can; else there is nothing at the target. */
async function isCloned(source: string, target: string): Promise<boolean> {
  try {
    await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    await syncFile(target);
    return true;
  } catch {
    await rm(target, { force: true });
    return false;
  }
}
