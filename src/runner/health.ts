/** Watches a runner: one that does not answer, or does not get on with its work, is ended. */
import { ProxyError } from "../core/errors.ts";
import type { RunnerConnection } from "./connection.ts";

/** A runner's main thread does nothing that takes long: one that leaves a question open this long is stopped or hung. */
const ANSWER_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 2_000;
/** A runner at rest is asked at one of so many looks: a stopped one is found before somebody waits for it. */
const LOOKS_AT_REST = 5;

export interface HealthOptions {
  readonly connection: Pick<RunnerConnection, "heardAt" | "send" | "kill" | "exited">;
  /** Absent: no progress is expected of it (a load has a deadline of its own). */
  readonly work?: {
    /** True while somebody waits for this runner. */
    readonly busy: () => boolean;
    /** Longest time without progress while busy, in ms, and what is said then. */
    readonly progressWithinMs: number;
    readonly stuck: () => ProxyError;
  };
  readonly answerWithinMs?: number;
  readonly lookEveryMs?: number;
}

export class RunnerHealth {
  readonly #options: HealthOptions;
  readonly #every: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #lookedAt = performance.now();
  /** When the question was sent that was not answered yet. */
  #askedAt: number | undefined;
  #progressAt = 0;
  #busy = false;
  #looksAtRest = 0;
  #verdict: ProxyError | undefined;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#every = options.lookEveryMs ?? LOOK_EVERY_MS;
    this.#timer = setInterval(() => this.#look(), this.#every);
    this.#timer.unref();
    void options.connection.exited.then(() => this.stop());
  }

  /** Why this runner was ended, if it was. */
  get verdict(): ProxyError | undefined {
    return this.#verdict;
  }

  /** Work was given: progress is expected from now on. */
  watch(): void {
    if (!this.#busy) this.progressed();
    this.#busy = true;
  }

  progressed(): void {
    this.#progressAt = performance.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { connection, work, answerWithinMs = ANSWER_WITHIN_MS } = this.#options;
    const now = performance.now();
    const late = now - this.#lookedAt > 3 * this.#every;
    this.#lookedAt = now;
    if (connection.heardAt === undefined) return; // it is starting, which has a deadline of its own
    this.#busy = work?.busy() ?? false;
    this.#looksAtRest = this.#busy ? 0 : this.#looksAtRest + 1;
    if (this.#askedAt !== undefined && connection.heardAt >= this.#askedAt) this.#askedAt = undefined;
    if (late) {
      // It was this process that slept: what the runner said meanwhile is still unread.
      if (this.#askedAt !== undefined) this.#askedAt = now;
      this.progressed();
    } else if (this.#askedAt !== undefined && now - this.#askedAt > answerWithinMs)
      this.#end(new ProxyError("runner_crashed", "The engine process stopped answering and was ended."));
    else if (work && this.#busy && now - this.#progressAt > work.progressWithinMs) this.#end(work.stuck());
    else if (this.#askedAt === undefined && (this.#busy || this.#looksAtRest % LOOKS_AT_REST === 1)) {
      this.#askedAt = now;
      connection.send({ op: "stats" });
    }
  }

  #end(reason: ProxyError): void {
    this.#verdict = reason;
    this.stop();
    void this.#options.connection.kill();
  }
}
