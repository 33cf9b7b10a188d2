/**
 * The native runtime inside a release executable: one zstd-compressed tar of the libraries, the addon and the demo model,
 * named `runtime-<sha256 of its bytes>.tar.zst` and unpacked once into the cache under that hash. A first start that is
 * killed leaves only a temporary folder; two first starts at once both succeed; a folder that lost bytes is made anew.
 */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ProxyError } from "../core/errors.ts";

/** Written into the archive by build/build.ts: every file's size in bytes. */
const MANIFEST = "manifest.json";
const TEMPORARY = ".new-";

interface Archive {
  readonly sha256: string;
  readonly file: Blob;
}

function archive(): Archive | undefined {
  for (const file of Bun.embeddedFiles as readonly (Blob & { readonly name?: string })[]) {
    const sha256 = /runtime-([0-9a-f]{64})\.tar\.zst$/.exec(file.name ?? "")?.[1];
    if (sha256) return { sha256, file };
  }
  return undefined;
}

/** Where this executable's runtime belongs in the cache; undefined for a program without one inside. */
export function embeddedFolder(cacheDirectory: string): string | undefined {
  const found = archive();
  return found && join(cacheDirectory, "runtime", found.sha256.slice(0, 16));
}

/** Every file of the manifest is there with its size. */
export function isUnpacked(folder: string): boolean {
  try {
    const sizes: Record<string, number> = JSON.parse(readFileSync(join(folder, MANIFEST), "utf8"));
    return Object.entries(sizes).every(([name, size]) => statSync(join(folder, name)).size === size);
  } catch {
    return false;
  }
}

/**
 * Unpacks the runtime unless it is there whole.
 * @throws ProxyError storage_failed (read-only, full), runtime_mismatch (the executable itself is damaged)
 */
export async function unpackRuntime(cacheDirectory: string): Promise<void> {
  const found = archive();
  const folder = embeddedFolder(cacheDirectory);
  if (!found || !folder || isUnpacked(folder)) return;
  const parent = dirname(folder);
  const temporary = join(parent, `${TEMPORARY}${process.pid}-${randomUUID().slice(0, 8)}`);
  try {
    await mkdir(parent, { recursive: true });
    await removeAbandoned(parent);
    const bytes = await found.file.bytes();
    if (new Bun.CryptoHasher("sha256").update(bytes).digest("hex") !== found.sha256)
      throw new ProxyError("runtime_mismatch", "This executable is damaged: fetch it again and compare its checksum.");
    const tar = Bun.zstdDecompressSync(bytes);
    await requireSpace(parent, tar.byteLength);
    await mkdir(temporary);
    await new Bun.Archive(tar).extract(temporary);
    await sync(temporary);
    if (!isUnpacked(temporary)) throw new Error("The unpacked files differ from their manifest.");
    if (isUnpacked(folder)) return; // another first start was quicker, and what it put there is in use
    if (existsSync(folder)) await rename(folder, `${temporary}-damaged`);
    await rename(temporary, folder).catch((error: unknown) => {
      if (!isUnpacked(folder)) throw error; // the other one was quicker just now
    });
  } catch (error) {
    throw error instanceof ProxyError ? error : storageError(error);
  } finally {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    await rm(`${temporary}-damaged`, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function requireSpace(directory: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize < bytes) throw Object.assign(new Error("not enough room"), { code: "ENOSPC", needed: bytes });
}

async function sync(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const file = await open(join(entry.parentPath, entry.name));
    await file.sync();
    await file.close();
  }
}

/** What killed first starts left behind; those of living processes stay. */
async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = Number(new RegExp(`^\\${TEMPORARY}(\\d+)-`).exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || existsSync(`/proc/${pid}`)) continue;
    await rm(join(parent, name), { recursive: true, force: true });
  }
}

function storageError(error: unknown): ProxyError {
  const { code = "", message = String(error) } = error as { code?: string; message?: string };
  const why =
    code === "ENOSPC"
      ? "there is not enough room (170 MB are needed)"
      : ["EROFS", "EACCES", "EPERM"].includes(code)
        ? "it cannot be written"
        : "writing it failed";
  return new ProxyError(
    "storage_failed",
    `The native runtime cannot be unpacked into the cache folder: ${why}. Set NPU_PROXY_CACHE_DIR to another folder.`,
    { detail: message, cause: error },
  );
}
