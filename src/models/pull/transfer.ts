/**
 * One file of the hub, fetched whatever happens on the way: resumed by Range where it broke off, begun anew where the ETag
 * changed, left alone while the hub wants that, and believed only when its hash is right.
 */
import { ProxyError } from "../../core/errors.ts";
import { BodyReader } from "../body-reader.ts";
import type { Hub } from "../hub/hub.ts";
import { hubErrorOf, unreachable } from "../hub/hub-error.ts";
import type { HubFile } from "../hub/hub-file.ts";
import { STALL_MS, StallWatch } from "../hub/stall-watch.ts";
import { asStorageError } from "../store/storage-error.ts";
import { Backoff } from "./backoff.ts";
import { PartFile } from "./part-file.ts";

export interface Patience {
  /** Without a byte for this long, the connection is given up and made anew. */
  readonly stallMs: number;
  /** The first pause after a failure. */
  readonly backoffMs: number;
}

export const PATIENCE: Patience = { stallMs: STALL_MS, backoffMs: 1000 };

export interface TransferOptions {
  readonly hub: Pick<Hub, "host" | "open">;
  readonly repository: string;
  readonly commit: string;
  readonly file: HubFile;
  /** Where its bytes are put. What is there already is where it begins. */
  readonly part: string;
  readonly token?: string;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  /** Bytes that have come and are on their way to the disk, or there. */
  readonly onProgress: (bytes: number) => void;
  readonly onRetry: (reason: string, seconds: number) => void;
}

/** Below this, what arrived of a file is not worth keeping the ETag for. */
const WORTH_RESUMING = 1 << 20;

/**
 * Fetches a file and returns the SHA-256 of its content, which is on disk then.
 * @throws ProxyError download_corrupt where it arrived wrong twice; storage_failed, storage_full; hub_*; the signal's reason
 */
export async function transfer(options: TransferOptions): Promise<string> {
  try {
    const part = await PartFile.open(options.part, options.file, options.signal, options.onProgress);
    try {
      // Not the hub's doing: a part that was left in a bad state, or a file of the store that changed.
      if (part.size === options.file.size && part.verify() === undefined) await part.restart();
      const sha256 = await complete(part, options);
      await part.sync();
      return sha256;
    } finally {
      await part.close();
    }
  } catch (error) {
    throw asStorageError(error);
  }
}

async function complete(part: PartFile, options: TransferOptions): Promise<string> {
  const { file, signal, patience, onRetry } = options;
  const backoff = new Backoff(patience.backoffMs, signal);
  let furthest = part.size;
  let etag = await part.etag();
  for (let wrong = 0; ; ) {
    try {
      if (part.size < file.size) await fetchRest(part, etag, options);
      const sha256 = part.verify();
      if (sha256 !== undefined) return sha256;
      throw corrupt(file);
    } catch (error) {
      // Without If-Range the rest comes whatever the hub calls it now; the hash tells whether both halves are of one file.
      etag = hubErrorOf(error)?.retry === "anew" ? undefined : await part.etag();
      if (error instanceof ProxyError && error.code === "download_corrupt") {
        await part.restart();
        if (++wrong === 2) throw error;
        onRetry(`${file.path} arrived with wrong bytes; it is fetched again from its beginning.`, 0);
        continue;
      }
      if (part.size > furthest) backoff.reset();
      furthest = Math.max(furthest, part.size);
      await backoff.pause(error, onRetry);
    }
  }
}

/** Appends what one connection brings. Returns with the file complete, though not yet verified. */
async function fetchRest(part: PartFile, etag: string | undefined, options: TransferOptions): Promise<void> {
  const { hub, repository, commit, file, token, patience, onProgress } = options;
  const { stallMs } = patience;
  using watch = new StallWatch({ host: hub.host, path: file.path, stallMs, signal: options.signal });
  const { signal } = watch;
  try {
    const answer = await hub.open(repository, commit, file.path, {
      from: part.size,
      signal,
      ...(etag === undefined ? {} : { ifRange: etag }),
      ...(token === undefined ? {} : { token }),
    });
    using body = new BodyReader(answer.body, signal);
    if (answer.start !== part.size) await part.restart();
    if (file.size > WORTH_RESUMING && answer.etag !== etag) await part.keepEtag(answer.etag);
    while (part.size < file.size) {
      const piece = await body.read().catch((error: unknown) => {
        throw broken(options, part.size, error);
      });
      if (piece === undefined) throw broken(options, part.size);
      // More than was announced is not even looked at: the hash decides about what is there.
      await part.append(piece.subarray(0, file.size - part.size));
      watch.heard();
      onProgress(part.size);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

function broken({ hub, file }: TransferOptions, at: number, cause?: unknown): ProxyError {
  return unreachable(
    hub.host,
    `broke off ${file.path} at byte ${at} of ${file.size}`,
    String(cause ?? "end of the body"),
  );
}

function corrupt({ path, sha256 }: HubFile): ProxyError {
  return new ProxyError(
    "download_corrupt",
    `${path} arrived twice with other bytes than the hub says it has (${sha256 === undefined ? "git blob id" : "SHA-256"}). Nothing of it was kept. A proxy or the hub's cache damages it: try again later, or from another network.`,
  );
}
