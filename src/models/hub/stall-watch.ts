/** The timer that ends a wait for a hub which has fallen silent in the middle of a file. */
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

  /** The chunks of a body; leaving the loop cancels it. @throws the signal's reason; what breaks the body off */
  async *chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    const reader = body.getReader();
    // A read that waits does not look at the signal by itself; and a body that nobody cancels keeps its connection.
    const leave = (): void => void reader.cancel(this.signal.reason).catch(() => undefined);
    this.signal.addEventListener("abort", leave);
    try {
      for (;;) {
        const { value } = await reader.read();
        this.signal.throwIfAborted();
        if (value === undefined) return;
        this.heard();
        yield value;
      }
    } finally {
      this.signal.removeEventListener("abort", leave);
      leave();
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
