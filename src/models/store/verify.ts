/** Whether a model's files still are what its manifest says, and how to make them so again. */
import { mkdir, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { VerifyReport } from "../../core/library.ts";
import type { Source } from "../../core/model.ts";
import type { Hub } from "../hub/hub.ts";
import { type Patience, transfer } from "../pull/transfer.ts";
import { syncFolder } from "./durable-file.ts";
import { hashOf } from "./file-hash.ts";
import { MANIFEST, type Manifest, type ManifestFile, readManifest, writeManifest } from "./manifest.ts";
import type { Shelved } from "./shelves.ts";
import { openWorkbench } from "./workbench.ts";

export interface Repair {
  /** The user's store. */
  readonly models: string;
  readonly hub: Pick<Hub, "open" | "host">;
  readonly patience: Patience;
  /** Pulls and converts a whole model again: the files of a converted one are on no hub. */
  pullAgain(manifest: Manifest, source: Source, signal: AbortSignal): Promise<void>;
}

interface Broken {
  readonly file: ManifestFile;
  readonly what: string;
}

/**
 * Hashes one model's files; a file that was hashed for another model is not hashed again (`hashed`, by device and inode).
 * With `repair`, what is broken of a model of the user's is pulled again.
 * @throws ProxyError hub_*, download_corrupt, storage_* from a repair; the signal's reason
 */
export async function verifyModel(
  { name, folder, shelf }: Shelved,
  hashed: Map<string, string>,
  repair: Repair | undefined,
  signal: AbortSignal,
): Promise<VerifyReport> {
  const manifest = manifestOf(folder);
  if (manifest === "damaged") return { model: name, broken: [{ file: MANIFEST, what: "damaged" }], repaired: false };
  if (!manifest)
    return {
      model: name,
      broken: [],
      repaired: false,
      unknown: "it has no manifest: nobody recorded what its files must be",
    };
  const broken: Broken[] = [];
  for (const file of manifest.files) {
    const what = await faultOf(file, folder, hashed, signal);
    if (what !== undefined) broken.push({ file, what });
  }
  const repaired =
    broken.length > 0 &&
    repair !== undefined &&
    shelf === "user" &&
    (await fetchAgain(manifest, folder, broken, repair, signal));
  return { model: name, broken: broken.map(({ file, what }) => ({ file: file.path, what })), repaired };
}

/** One damaged manifest must not keep the other models from being looked at. */
function manifestOf(folder: string): Manifest | "damaged" | undefined {
  try {
    return readManifest(folder);
  } catch {
    return "damaged";
  }
}

function isStill(folder: string, { digest, name }: Manifest): boolean {
  const now = manifestOf(folder);
  return typeof now === "object" && now.digest === digest && now.name === name;
}

async function faultOf(
  { path, size, sha256 }: ManifestFile,
  folder: string,
  hashed: Map<string, string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const found = await stat(join(folder, path)).catch(() => undefined);
  if (!found?.isFile()) return "missing";
  if (found.size !== size) return `${found.size} of ${size} bytes`;
  const key = `${found.dev}:${found.ino}`;
  const hash = hashed.get(key) ?? (await hashOf(join(folder, path), signal));
  hashed.set(key, hash);
  return hash === sha256 ? undefined : "other content";
}

/** Fetches files from where the model came from; each takes the broken one's place when its hash is right. */
async function fetchAgain(
  manifest: Manifest,
  folder: string,
  broken: readonly Broken[],
  repair: Repair,
  signal: AbortSignal,
): Promise<boolean> {
  const { source, converted, recipe } = manifest;
  if (!source) return false;
  if (converted !== undefined) {
    // What is pulled has no recipe, and may have other bytes than the same conversion made before.
    if (recipe) return false;
    await repair.pullAgain(manifest, source, signal);
    return true;
  }
  const { models, hub, patience } = repair;
  await using bench = await openWorkbench(models);
  for (const { file } of broken)
    await transfer({
      hub,
      repository: source.repository,
      commit: source.commit,
      // The manifest knows the SHA-256 of every file, so that git's own id is not needed.
      file: { ...file, oid: "" },
      part: join(bench.folder, file.path),
      patience,
      signal,
      onProgress: () => undefined,
      onRetry: () => undefined,
    });
  // Meanwhile it may have been removed, or replaced by another revision, to which these files do not belong.
  if (!isStill(folder, manifest)) return false;
  for (const { file } of broken) {
    const target = join(folder, file.path);
    await mkdir(dirname(target), { recursive: true });
    await rename(join(bench.folder, file.path), target);
    await syncFolder(dirname(target));
  }
  // Written last, as always: files that are newer than their manifest count as changed by hand.
  await writeManifest(folder, manifest);
  return true;
}
