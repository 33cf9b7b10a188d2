/** What the store already has of what a pull wants. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Source } from "../../core/model.ts";
import type { HubFile } from "../hub/hub-file.ts";
import { type Manifest, readManifest } from "../store/manifest.ts";
import type { Shelves } from "../store/shelves.ts";

/**
 * Whether a folder holds every file of its manifest, by size, and the manifest is of this commit. Returns it then. A derived
 * model has its parent's source and is another model all the same.
 */
export function completeManifest(folder: string, source: Source): Manifest | undefined {
  const manifest = manifestOf(folder);
  const same =
    manifest?.recipe === undefined &&
    manifest?.source?.commit === source.commit &&
    manifest.source.hub === source.hub &&
    manifest.source.repository.toLowerCase() === source.repository.toLowerCase();
  return same && manifest.files.every(({ path, size }) => sizeOf(join(folder, path)) === size) ? manifest : undefined;
}

/**
 * A look-up of files that may be those of the hub, over all models of the store: by SHA-256, and where the hub tells none, by
 * name and size in an earlier revision of the same repository. What it finds has still to be hashed.
 */
export async function storedFiles(
  shelves: Shelves,
  repository: string,
): Promise<(file: HubFile) => string | undefined> {
  const known = new Map<string, string>();
  for (const { folder } of await shelves.all()) {
    const manifest = manifestOf(folder);
    for (const { path, size, sha256 } of manifest?.files ?? []) {
      const place = join(folder, path);
      if (sizeOf(place) !== size) continue;
      known.set(sha256, place);
      if (manifest?.source?.repository.toLowerCase() === repository.toLowerCase()) known.set(`${path} ${size}`, place);
    }
  }
  return ({ path, size, sha256 }) => known.get(sha256 ?? `${path} ${size}`);
}

/** A folder's manifest; undefined where there is none, or one that cannot be read. */
export function manifestOf(folder: string): Manifest | undefined {
  try {
    return readManifest(folder);
  } catch {
    return undefined; // damaged: whoever lists the model says so; nothing of it is used here
  }
}

function sizeOf(path: string): number | undefined {
  const file = statSync(path, { throwIfNoEntry: false });
  return file?.isFile() ? file.size : undefined;
}
