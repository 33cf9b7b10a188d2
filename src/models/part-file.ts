/** A file on its way from the hub: what has arrived of it, hashed while it is written. */
import { createHash, type Hash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { writeDurable } from "./durable-file.ts";

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

export class PartFile {
  readonly #path: string;
  readonly #expected: ExpectedFile;
  #handle: FileHandle;
  #sha256: Hash = createHash("sha256");
  #blob: Hash;
  #size = 0;

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
      const { size } = await part.#handle.stat();
      while (part.#size < size) {
        signal.throwIfAborted();
        const { bytesRead } = await part.#handle.read(piece, 0, PIECE, part.#size);
        if (bytesRead === 0) break;
        part.#hash(piece.subarray(0, bytesRead));
        onRead(part.#size);
      }
      if (part.#size > expected.size) await part.restart();
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

  /** Hashed while the system writes it. Do not call again before it has resolved. */
  async append(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    const at = this.#size;
    let written = this.#handle.write(bytes, 0, bytes.length, at);
    this.#hash(bytes);
    for (let done = 0; done < bytes.length; ) {
      done += (await written).bytesWritten;
      if (done < bytes.length) written = this.#handle.write(bytes, done, bytes.length - done, at + done);
    }
  }

  /** From the first byte, in a new file: the old one may be a hard link to a file of another model. */
  async restart(): Promise<void> {
    await this.#handle.close();
    await rm(this.#path, { force: true });
    await rm(`${this.#path}.etag`, { force: true });
    this.#handle = await openToWrite(this.#path);
    this.#size = 0;
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

  /** Flushes it: after this a rename makes it a file of a model. */
  async sync(): Promise<void> {
    await this.#handle.sync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** The ETag of the bytes that are here, for If-Range; undefined where it was not kept. */
  async etag(): Promise<string | undefined> {
    return await readFile(`${this.#path}.etag`, "utf8").catch(() => undefined);
  }

  async keepEtag(etag: string): Promise<void> {
    await writeDurable(`${this.#path}.etag`, etag);
  }

  #hash(bytes: Uint8Array): void {
    this.#sha256.update(bytes);
    if (this.#expected.sha256 === undefined) this.#blob.update(bytes);
    this.#size += bytes.length;
  }
}

function openToWrite(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDWR | constants.O_CREAT, 0o644);
}

function blobHash({ size }: ExpectedFile): Hash {
  return createHash("sha1").update(`blob ${size}\0`);
}
