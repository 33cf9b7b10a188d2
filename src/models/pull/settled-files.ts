/** Files that were made on this machine, once they are finished. */
import { dirname, join } from "node:path";
import { recordOf } from "../store/derive.ts";
import { syncFile, syncFolder } from "../store/durable-file.ts";
import type { ManifestFile } from "../store/manifest.ts";

/** Hashes files of a folder and flushes them with the folders that they lie in. @param paths within the folder, with "/" */
export async function settle(
  folder: string,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<readonly ManifestFile[]> {
  const settled: ManifestFile[] = [];
  const folders = new Set([folder]);
  for (const path of paths) {
    settled.push(await recordOf(folder, path, signal));
    await syncFile(join(folder, path));
    folders.add(dirname(join(folder, path)));
  }
  for (const path of folders) await syncFolder(path);
  return settled;
}
