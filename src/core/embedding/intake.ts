/** What one encoder's engine is given at once, of all requests together: so much that it can batch, and no more. */
import { ProxyError } from "../errors.ts";
import type { Clock, Timers } from "../ports.ts";
import type { Priority } from "../request.ts";
import { unlessAborted } from "../unless-aborted.ts";
import { IntakeLane } from "./intake-lane.ts";

export interface IntakeOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** How long an engine may answer nobody while it has work, in ms (NPU_PROXY_EMBED_TIMEOUT). */
  readonly silenceMs: number;
}

export class Intake {
  readonly #options: IntakeOptions;
  /** Pieces that may be under way at once: the pieces of bulks wait here, where those of others get between them. */
  readonly #lanes: Readonly<Record<Priority, IntakeLane>> = {
    interactive: new IntakeLane(128),
    batch: new IntakeLane(8),
  };
  /** When the engine last answered anybody, in ns. */
  #answered = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /**
   * Asks the engine, as soon as the piece's lane has room. A request has a few pieces here at most, so that the order in which
   * they come is fair to all requests.
   * @throws ProxyError inference_timeout where the engine answered nobody for so long; what `ask` throws; the signal's reason
   */
  async give<T>(
    lane: Priority,
    bytes: number,
    ask: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    await this.#lanes[lane].enter(bytes, signal);
    const silence = new AbortController();
    const either = AbortSignal.any([signal, silence.signal]);
    const stopWatching = this.#watch(silence);
    try {
      either.throwIfAborted();
      const answer = await unlessAborted(ask(either), either);
      this.#answered = this.#options.clock.now();
      return answer;
    } finally {
      stopWatching();
      this.#lanes[lane].leave(bytes);
    }
  }

  /** A piece may take long where many are before it; an engine that answers nobody is stuck. */
  #watch(silence: AbortController): () => void {
    const { clock, timers, silenceMs } = this.#options;
    const begun = clock.now();
    let cancel: () => void = () => undefined;
    const look = (): void => {
      const quietMs = (clock.now() - Math.max(begun, this.#answered)) / 1e6;
      if (quietMs < silenceMs) cancel = timers.after(silenceMs - quietMs, look);
      else silence.abort(stuck(silenceMs));
    };
    cancel = timers.after(silenceMs, look);
    return () => cancel();
  }
}

function stuck(silenceMs: number): ProxyError {
  return new ProxyError(
    "inference_timeout",
    `The model answered no piece of any request for ${silenceMs / 1000} s. NPU_PROXY_EMBED_TIMEOUT sets this time.`,
  );
}
