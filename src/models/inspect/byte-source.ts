/** Bytes at any position, read through one window: of a file, or of a file on the hub. */
import { type FileHandle, open } from "node:fs/promises";

export interface ByteSource {
  /** In bytes. */
  readonly size: number;
  /** Up to `length` bytes from `position`; fewer only at the end. */
  read(position: number, length: number): Promise<Uint8Array>;
}

/** A local file; dispose of it with `await using`. */
export async function openFile(path: string): Promise<ByteSource & AsyncDisposable> {
  const handle: FileHandle = await open(path);
  const { size } = await handle.stat();
  return {
    size,
    async read(position, length) {
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, position);
      return buffer.subarray(0, bytesRead);
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** Reads little-endian values one after the other. What would pass the end of the source is refused before it is read. */
export class ByteReader {
  readonly #source: ByteSource;
  readonly #windowSize: number;
  #window: DataView = new DataView(new ArrayBuffer(0));
  /** Position of the window in the source. */
  #base = 0;
  #at = 0;

  constructor(source: ByteSource, windowSize: number) {
    this.#source = source;
    this.#windowSize = windowSize;
  }

  get position(): number {
    return this.#base + this.#at;
  }

  get remaining(): number {
    return this.#source.size - this.position;
  }

  /** Whether so many bytes can be taken without waiting; hot loops ask before they await `need`. */
  has(bytes: number): boolean {
    return this.#window.byteLength - this.#at >= bytes;
  }

  /** Makes sure that the next bytes are in the window. @throws Error "was cut off" */
  async need(bytes: number): Promise<void> {
    if (this.has(bytes)) return;
    if (bytes > this.remaining) throw new Error("was cut off");
    this.#base = this.position;
    this.#at = 0;
    const length = Math.min(Math.max(bytes, this.#windowSize), this.#source.size - this.#base);
    const read = await this.#source.read(this.#base, length);
    if (read.byteLength < bytes) throw new Error("was cut off");
    this.#window = new DataView(read.buffer, read.byteOffset, read.byteLength);
  }

  /** @throws Error "was cut off" */
  skip(bytes: number): void {
    if (bytes > this.remaining) throw new Error("was cut off");
    this.#at += bytes;
    if (this.#at <= this.#window.byteLength) return;
    this.#base += this.#at;
    this.#at = 0;
    this.#window = new DataView(new ArrayBuffer(0));
  }

  /** The next bytes, which `need` made sure of, as a view and the position in it; they count as read. */
  take(bytes: number): { readonly view: DataView; readonly at: number } {
    const at = this.#at;
    this.#at += bytes;
    return { view: this.#window, at };
  }
}
