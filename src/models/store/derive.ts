/** Folders made of other folders' files: shared where they lie in a store, copied where they are somebody else's. */
import { constants } from "node:fs";
import { copyFile, link, mkdir, open, realpath, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ProxyError } from "../../core/errors.ts";
import { isSafePath } from "../hub/hub-file.ts";
import { syncFolder } from "./durable-file.ts";
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
    await place(join(from, path), target, sharing);
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

/** Puts one file in a place of its own: a hard link, else a copy that shares its blocks where the file system can. */
export async function place(from: string, target: string, sharing: Sharing): Promise<void> {
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
  await copyFile(source, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  const file = await open(target, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
