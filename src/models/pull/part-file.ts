/** A file on its way from the hub: what has arrived of it, hashed while it is written. */
import { createHash, type Hash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { writeDurable } from "../store/durable-file.ts";

/** What the hub says that a file is. */
export interface ExpectedFile {
  readonly size: number;
  /** 64 hex digits; absent: the git blob id alone is known. */
  readonly sha256?: string;
  /** Git's blob id (40 hex digits): SHA-1 over "blob <size>\0" and the content. Of the pointer where there is a SHA-256. */
  readonly oid: string;
}

/** Of a file on disk that is read to be hashed, in bytes. */
const PIECE = 1 << 20;
/** Bytes that may wait for the disk; more, and the network waits. */
const MOST_WAITING = 4 << 20;
/** Of one call: systems take 1024. */
const MOST_PIECES = 512;

export class PartFile {
  readonly #path: string;
  readonly #expected: ExpectedFile;
  #handle: FileHandle;
  #sha256: Hash = createHash("sha256");
  #blob: Hash;
  #size = 0;
  /** Bytes of #size that the system has. */
  #written = 0;
  #waiting: Uint8Array[] = [];
  #writing: Promise<void> | undefined;
  #failure: unknown;

  private constructor(path: string, expected: ExpectedFile, handle: FileHandle) {
    this.#path = path;
    this.#expected = expected;
    this.#handle = handle;
    this.#blob = blobHash(expected);
  }

  /**
   * Opens a part, or begins one. What is there already is hashed again: nobody knows how its writer ended.
   * @param onRead called with the bytes hashed so far
   * @throws errors of the file system; the signal's reason
   */
  static async open(
    path: string,
    expected: ExpectedFile,
    signal: AbortSignal,
    onRead: (bytes: number) => void = () => undefined,
  ): Promise<PartFile> {
    await mkdir(dirname(path), { recursive: true });
    const part = new PartFile(path, expected, await openToWrite(path));
    try {
      const piece = new Uint8Array(PIECE);
      const { size, nlink } = await part.#handle.stat();
      while (part.#size < size) {
        signal.throwIfAborted();
        const { bytesRead } = await part.#handle.read(piece, 0, PIECE, part.#size);
        if (bytesRead === 0) break;
        part.#hash(piece.subarray(0, bytesRead));
        onRead(part.#size);
      }
      part.#written = part.#size;
      // A link is a file of another model as well, which a hub that lies about its size would have us go on writing to.
      if (part.#size > expected.size || (nlink > 1 && part.#size < expected.size)) await part.restart();
      return part;
    } catch (error) {
      await part.close();
      throw error;
    }
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /**
   * Hashed here and now, written behind: what has come meanwhile goes in one piece, so the network, the hash and the disk do not
   * wait for each other. Always in order: after a kill the file has no holes.
   * @throws errors of the file system, also of earlier pieces
   */
  async append(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#hash(bytes);
    this.#waiting.push(bytes);
    this.#writing ??= this.#write();
    if (this.#size - this.#written > MOST_WAITING) await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** From the first byte, in a new file: the old one may be a hard link to a file of another model. */
  async restart(): Promise<void> {
    await this.close();
    await rm(this.#path, { force: true });
    await rm(`${this.#path}.etag`, { force: true });
    this.#handle = await openToWrite(this.#path);
    this.#size = 0;
    this.#written = 0;
    this.#writing = undefined;
    this.#failure = undefined;
    this.#sha256 = createHash("sha256");
    this.#blob = blobHash(this.#expected);
  }

  /** The SHA-256 of the whole file; undefined where it is not what the hub said. */
  verify(): string | undefined {
    if (this.#size !== this.#expected.size) return undefined;
    const sha256 = this.#sha256.copy().digest("hex");
    const matches =
      this.#expected.sha256 === undefined
        ? this.#blob.copy().digest("hex") === this.#expected.oid
        : sha256 === this.#expected.sha256;
    return matches ? sha256 : undefined;
  }

  /** Flushes it: after this a rename makes it a file of a model. @throws errors of the file system */
  async sync(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
    // What was hashed and what was written must be the same bytes: nothing is verified otherwise.
    if (this.#written !== this.#size)
      throw new Error(`${this.#written} of ${this.#size} bytes of a part were written.`);
    await this.#handle.sync();
  }

  /** What came is written first. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#handle.close();
  }

  /** The ETag of the bytes that are here, for If-Range; undefined where it was not kept. */
  async etag(): Promise<string | undefined> {
    return await readFile(`${this.#path}.etag`, "utf8").catch(() => undefined);
  }

  async keepEtag(etag: string): Promise<void> {
    await writeDurable(`${this.#path}.etag`, etag);
  }

  /** Writes until nothing waits. Never rejects: whoever comes next is told. */
  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && this.#failure === undefined) {
        let pieces = this.#waiting.splice(0, MOST_PIECES);
        while (pieces.length > 0) {
          const { bytesWritten } = await this.#handle.writev(pieces, this.#written);
          this.#written += bytesWritten;
          pieces = after(pieces, bytesWritten);
        }
      }
    } catch (error) {
      this.#failure = error;
    }
    this.#waiting = [];
    this.#writing = undefined;
  }

  #hash(bytes: Uint8Array): void {
    this.#sha256.update(bytes);
    if (this.#expected.sha256 === undefined) this.#blob.update(bytes);
    this.#size += bytes.length;
  }
}

/** What is left of pieces when the first bytes of them are written. */
function after(pieces: readonly Uint8Array[], written: number): Uint8Array[] {
  let skip = written;
  return pieces.flatMap((piece) => {
    const skipped = Math.min(skip, piece.length);
    skip -= skipped;
    return skipped === piece.length ? [] : [piece.subarray(skipped)];
  });
}

function openToWrite(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDWR | constants.O_CREAT, 0o644);
}

function blobHash({ size }: ExpectedFile): Hash {
  return createHash("sha1").update(`blob ${size}\0`);
}
