/** Watches a runner while it has work: one that does not answer, or does not get on, is ended. */
import { ProxyError } from "../core/errors.ts";
import type { RunnerConnection } from "./connection.ts";

/** A runner's main thread does nothing that takes long: one that leaves a question open this long is stopped or hung. */
const ANSWER_WITHIN_MS = 15_000;
const ASK_EVERY_MS = 2_000;

export interface HealthOptions {
  readonly connection: RunnerConnection;
  /** True while somebody waits for this runner. */
  readonly busy: () => boolean;
  /** Longest time without progress while busy, in ms, and what is said then. */
  readonly stuckAfterMs: number;
  readonly stuck: () => ProxyError;
}

export class RunnerHealth {
  readonly #options: HealthOptions;
  #timer: ReturnType<typeof setInterval> | undefined;
  #lastAnswer = 0;
  #lastProgress = 0;
  #verdict: ProxyError | undefined;

  constructor(options: HealthOptions) {
    this.#options = options;
    void options.connection.exited.then(() => clearInterval(this.#timer));
  }

  /** Why this runner was ended, if it was. */
  get verdict(): ProxyError | undefined {
    return this.#verdict;
  }

  /** Work was given: watch until none is left. */
  watch(): void {
    if (this.#timer !== undefined) return;
    this.#lastAnswer = this.#lastProgress = performance.now();
    this.#timer = setInterval(() => this.#check(), ASK_EVERY_MS);
  }

  answered(): void {
    this.#lastAnswer = performance.now();
  }

  progressed(): void {
    this.#lastAnswer = this.#lastProgress = performance.now();
  }

  #check(): void {
    const { connection, busy, stuckAfterMs, stuck } = this.#options;
    if (!busy()) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      connection.send({ op: "stats" }); // how it is at rest
      return;
    }
    const now = performance.now();
    if (now - this.#lastAnswer > ANSWER_WITHIN_MS)
      this.#end(new ProxyError("runner_crashed", "The engine process stopped answering and was ended."));
    else if (now - this.#lastProgress > stuckAfterMs) this.#end(stuck());
    else connection.send({ op: "stats" });
  }

  #end(reason: ProxyError): void {
    this.#verdict = reason;
    void this.#options.connection.kill();
  }
}
