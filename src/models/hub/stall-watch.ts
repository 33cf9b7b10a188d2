/** The timer that ends a wait for a hub which has fallen silent in the middle of a file. */
import { BodyReader } from "../body-reader.ts";
import { unreachable } from "./hub-error.ts";

/** Without a byte for this long, in milliseconds, a connection is given up. */
export const STALL_MS = 30_000;

export interface StallWatchOptions {
  readonly host: string;
  readonly path: string;
  readonly stallMs: number;
  /** The caller's own. */
  readonly signal: AbortSignal;
}

/** Runs from its making until it is disposed of. */
export class StallWatch implements Disposable {
  /** Fires with the caller's, or with hub_unreachable when nothing was heard for too long. */
  readonly signal: AbortSignal;
  readonly #timer: NodeJS.Timeout;

  constructor({ host, path, stallMs, signal }: StallWatchOptions) {
    const stalled = new AbortController();
    this.#timer = setTimeout(() => {
      stalled.abort(unreachable(host, `has sent nothing of ${path} for ${stallMs / 1000} s`));
    }, stallMs);
    this.signal = AbortSignal.any([signal, stalled.signal]);
  }

  /** Something came. */
  heard(): void {
    this.#timer.refresh();
  }

  /** The pieces of a body; leaving the loop cancels it. @throws as BodyReader.read */
  async *piecesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    using reader = new BodyReader(body, this.signal);
    for (let piece = await reader.read(); piece; piece = await reader.read()) {
      this.heard();
      yield piece;
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
