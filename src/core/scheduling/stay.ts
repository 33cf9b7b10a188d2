/** A placement's time from `loaded` to `ended`. Jobs keep the one they were started in: they may be over after it is. */
import type { Job } from "./schedule.ts";

export class Stay {
  /** Until then it has served for less long than it took to load, and is not taken from its jobs. In ns. */
  readonly residentUntil: number;
  /** When a job last began or ended, in ns. */
  lastUsed: number;
  /** KV tokens that its running jobs may need together; undefined: any. */
  readonly #capacity: number | undefined;
  #running = 0;
  /** Those of them that generate. */
  #generating = 0;
  /** KV tokens that they may come to need. */
  #reserved = 0;

  /** @param began when its load began, in ns */
  constructor(capacity: number | undefined, began: number, now: number) {
    this.#capacity = capacity;
    this.residentUntil = now + (now - began);
    this.lastUsed = now;
  }

  get running(): number {
    return this.#running;
  }

  /** One that is larger than the whole capacity runs alone. */
  hasRoom(job: Job, parallel: number): boolean {
    if (this.#generating === 0) return true;
    if (this.#generating >= parallel) return false;
    return this.#capacity === undefined || this.#reserved + job.tokens <= this.#capacity;
  }

  begin(job: Job, now: number): void {
    this.#count(job, 1, now);
  }

  finish(job: Job, now: number): void {
    this.#count(job, -1, now);
  }

  #count(job: Job, one: 1 | -1, now: number): void {
    this.#running += one;
    if (job.tokens > 0) this.#generating += one;
    this.#reserved += one * job.tokens;
    this.lastUsed = now;
  }
}
