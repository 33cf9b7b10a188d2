/** One lane of an engine's intake: the pieces that are under way, and those that wait for room, in the order in which they came. */
import { Line } from "../scheduling/line.ts";

/** Bytes that the pieces of a lane may have together while they are under way; a larger one goes alone. */
const MOST_BYTES = 8 * 2 ** 20;

interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

export class IntakeLane {
  readonly #mostPieces: number;
  readonly #waiting = new Line<Waiting>();
  #pieces = 0;
  #bytes = 0;

  constructor(mostPieces: number) {
    this.#mostPieces = mostPieces;
  }

  /** Resolves when a piece of this size may go; then `leave` is called once. @throws the signal's reason, where it aborts before */
  async enter(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#waiting.first && this.#hasRoom(bytes)) {
      this.#take(bytes);
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const place = this.#waiting.join({
      bytes,
      go: () => {
        this.#waiting.leave(place);
        signal.removeEventListener("abort", left);
        this.#take(bytes);
        resolve();
      },
    });
    const left = (): void => {
      this.#waiting.leave(place);
      reject(signal.reason);
      this.#admit(); // whoever stood behind it may be smaller
    };
    signal.addEventListener("abort", left, { once: true });
    await promise;
  }

  leave(bytes: number): void {
    this.#pieces--;
    this.#bytes -= bytes;
    this.#admit();
  }

  #admit(): void {
    for (let next = this.#waiting.first; next && this.#hasRoom(next.bytes); next = this.#waiting.first) next.go();
  }

  #take(bytes: number): void {
    this.#pieces++;
    this.#bytes += bytes;
  }

  #hasRoom(bytes: number): boolean {
    return this.#pieces === 0 || (this.#pieces < this.#mostPieces && this.#bytes + bytes <= MOST_BYTES);
  }
}
