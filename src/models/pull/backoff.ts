/** How long to wait before the hub is asked again, and when to stop asking. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ProxyError } from "../../core/errors.ts";
import { hubErrorOf } from "../hub/hub-error.ts";

/** Failures in a row without anything gained in between. */
const MOST_FAILURES = 6;
/** The same where a first question finds nobody to answer: whoever mistyped an address learns it in 3 s, not in 31. */
const MOST_ABSENCES = 3;
const LONGEST_PAUSE_MS = 30_000;
/** A hub that wants a longer pause than this is left alone: whoever pulls should know. */
const LONGEST_WAIT_MS = 15 * 60_000;

export class Backoff {
  readonly #baseMs: number;
  readonly #signal: AbortSignal;
  #failures = 0;

  /** @param baseMs the first pause where the hub names none; doubled from failure to failure, 30 s at most */
  constructor(baseMs: number, signal: AbortSignal) {
    this.#baseMs = baseMs;
    this.#signal = signal;
  }

  /** Something was gained: the next failure is a first one. */
  reset(): void {
    this.#failures = 0;
  }

  /**
   * Waits for the next attempt.
   * @param onPause called with why and how many seconds, before waiting
   * @param mostFailures with which the error is thrown
   * @throws the error itself where another attempt is of no use; the signal's reason
   */
  async pause(
    error: unknown,
    onPause: (reason: string, seconds: number) => void,
    mostFailures = MOST_FAILURES,
  ): Promise<void> {
    this.#signal.throwIfAborted();
    const { retry, retryAfterMs } = hubErrorOf(error) ?? { retry: "never" };
    this.#failures++;
    if (retry === "never" || this.#failures >= mostFailures) throw error;
    const ms = retryAfterMs ?? Math.min(LONGEST_PAUSE_MS, this.#baseMs * 2 ** (this.#failures - 1));
    if (ms > LONGEST_WAIT_MS) throw error;
    onPause((error as ProxyError).message, ms / 1000);
    await sleep(ms, undefined, { signal: this.#signal });
  }

  /** Asks until there is an answer; a hub that nobody answers for is given up early. @throws as pause does */
  async insist<T>(ask: () => Promise<T>, onPause: (reason: string, seconds: number) => void): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        await this.pause(error, onPause, hubErrorOf(error)?.absent ? MOST_ABSENCES : MOST_FAILURES);
      }
    }
  }
}
