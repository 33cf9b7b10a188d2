/** A body that comes over the network, read piece by piece by one who may leave. */

/** Bun's reader and node's differ in their types. */
interface Reader {
  read(): Promise<{ readonly value?: Uint8Array | undefined }>;
  cancel(reason: unknown): Promise<void>;
}

/** Disposing of it, or the signal, cancels what is left of the body: one that nobody cancels keeps its connection. */
export class BodyReader implements Disposable {
  readonly #reader: Reader;
  readonly #signal: AbortSignal;
  readonly #leave = (): void => void this.#reader.cancel(this.#signal.reason).catch(() => undefined);

  constructor(body: ReadableStream<Uint8Array>, signal: AbortSignal) {
    this.#reader = body.getReader();
    this.#signal = signal;
    // A read that waits does not look at the signal by itself.
    signal.addEventListener("abort", this.#leave, { once: true });
  }

  /** The next piece; undefined at the end. @throws the signal's reason; what breaks the body off */
  async read(): Promise<Uint8Array | undefined> {
    this.#signal.throwIfAborted();
    const { value } = await this.#reader.read();
    this.#signal.throwIfAborted();
    return value;
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this.#leave);
    this.#leave();
  }
}
