/** The files of one model, several at once, from the hub into a pull's folder. */
import { stat } from "node:fs/promises";
import { ProxyError } from "../../core/errors.ts";
import type { PullEvent } from "../../core/library.ts";
import type { Hub } from "../hub/hub.ts";
import type { HubFile } from "../hub/hub-file.ts";
import type { ManifestFile } from "../store/manifest.ts";
import { isStorageFull } from "../store/storage-error.ts";
import { type FreeSpace, requireSpace, storageFull } from "./free-space.ts";
import { assemble, type PullFolder, partOf, seedPart } from "./pull-folder.ts";
import { type Patience, transfer } from "./transfer.ts";

export interface Download {
  readonly hub: Pick<Hub, "host" | "open">;
  readonly repository: string;
  readonly commit: string;
  readonly files: readonly HubFile[];
  readonly folder: PullFolder;
  readonly token: string | undefined;
  readonly patience: Patience;
  readonly freeSpace: FreeSpace;
  /** A file of the store that may have this content. */
  readonly similar: (file: HubFile) => string | undefined;
  readonly emit: (event: PullEvent) => void;
}

const AT_ONCE = 4;
/** Between two reports about one file. */
const REPORT_MS = 50;

/**
 * Fetches what is not there yet, verifies everything and puts it into the folder's `files`. What was fetched stays when it fails.
 * @throws ProxyError storage_full, storage_failed, download_corrupt, hub_*; the signal's reason
 */
export async function download(order: Download, signal: AbortSignal): Promise<readonly ManifestFile[]> {
  const { files, folder, emit } = order;
  const arrived = new Map<string, number>();
  for (const file of files) arrived.set(file.path, await begin(order, file));
  const rest = (): number =>
    files.reduce((sum, { path, size }) => sum + Math.max(0, size - (arrived.get(path) ?? 0)), 0);
  await requireSpace(folder.path, rest(), order.freeSpace);

  // The first that fails stops the others, and their error is not the one to tell.
  const stop = new AbortController();
  const working = AbortSignal.any([signal, stop.signal]);
  // The largest first: the small ones fill the lanes that it leaves.
  const queue = [...files].sort((a, b) => b.size - a.size);
  const verified: ManifestFile[] = [];
  const lane = async (): Promise<void> => {
    for (let file = queue.shift(); file; file = queue.shift())
      verified.push(await fetchOne(order, file, working, (bytes) => arrived.set(file.path, bytes)));
  };
  const lanes = Array.from({ length: AT_ONCE }, () => lane().catch((error: unknown) => stop.abort(error)));
  await Promise.all(lanes);
  signal.throwIfAborted();
  if (stop.signal.aborted) throw await named(stop.signal.reason, rest(), order);
  emit({ type: "verifying" });
  await assemble(
    folder,
    files.map(({ path }) => path),
  );
  return verified.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** What there is of a file, after a look into the store; in bytes. */
async function begin({ folder, similar }: Download, file: HubFile): Promise<number> {
  const part = partOf(folder, file.path);
  const size = async (): Promise<number | undefined> => (await stat(part).catch(() => undefined))?.size;
  const found = await size();
  if (found !== undefined) return found;
  const seed = similar(file);
  if (seed === undefined) return 0;
  await seedPart(part, seed);
  return (await size()) ?? 0;
}

async function fetchOne(
  { hub, repository, commit, folder, token, patience, emit }: Download,
  file: HubFile,
  signal: AbortSignal,
  onProgress: (bytes: number) => void,
): Promise<ManifestFile> {
  const digest = digestOf(file);
  let reported = Number.NEGATIVE_INFINITY;
  const report = (completed: number, force: boolean): void => {
    onProgress(completed);
    const now = performance.now();
    if (!force && now - reported < REPORT_MS) return;
    reported = now;
    emit({ type: "file", file: file.path, digest, total: file.size, completed });
  };
  report(0, true);
  const sha256 = await transfer({
    hub,
    repository,
    commit,
    file,
    part: partOf(folder, file.path),
    ...(token === undefined ? {} : { token }),
    patience,
    signal,
    onProgress: (bytes) => report(bytes, false),
    onRetry: (reason, seconds) => emit({ type: "retry", file: file.path, reason, seconds }),
  });
  report(file.size, true);
  return { path: file.path, size: file.size, sha256 };
}

/** 64 hex digits that name a file in reports, before its own SHA-256 is known. */
function digestOf({ path, oid, sha256 }: HubFile): string {
  return sha256 ?? new Bun.CryptoHasher("sha256").update(`${path}\0${oid}`).digest("hex");
}

/** Of a disk that ran full, how much is missing. */
async function named(error: unknown, rest: number, { folder, freeSpace }: Download): Promise<unknown> {
  if (!(error instanceof ProxyError) || !isStorageFull(error.cause)) return error;
  const free = await freeSpace(folder.path).catch(() => 0);
  return storageFull(rest, Math.max(rest - free, 1), error.cause);
}
