/** Every job that the scheduler knows: where it waits, or that it was started. A job is in one of the two, once. */
import { Deadlines } from "./deadlines.ts";
import type { Job, Pressure } from "./schedule.ts";
import type { ScheduledPlacement } from "./scheduled-placement.ts";
import type { Stay } from "./stay.ts";

interface Started {
  readonly job: Job;
  readonly placement: ScheduledPlacement;
  readonly stay: Stay;
  /** In ns. */
  readonly at: number;
}

export class JobLedger {
  readonly #waiting = new Map<number, ScheduledPlacement>();
  readonly #started = new Map<number, Started>();
  readonly #deadlines = new Deadlines();

  get waiting(): number {
    return this.#waiting.size;
  }

  get running(): number {
    return this.#started.size;
  }

  /** The first deadline of those who wait, in ns; Infinity: nobody waits. */
  get deadline(): number {
    return this.#deadlines.earliest?.deadline ?? Number.POSITIVE_INFINITY;
  }

  has(id: number): boolean {
    return this.#waiting.has(id) || this.#started.has(id);
  }

  wait(job: Job, placement: ScheduledPlacement): void {
    placement.add(job);
    this.#waiting.set(job.id, placement);
    this.#deadlines.add(job);
  }

  /** Whoever waits may leave; undefined ids and started jobs stay as they are. */
  leave(id: number): void {
    this.#waiting.get(id)?.delete(id);
    this.#waited(id);
  }

  /** Takes one that waited for too long, as long as there is one. */
  takeLate(now: number): Job | undefined {
    const job = this.#deadlines.earliest;
    if (!job || job.deadline > now) return undefined;
    this.leave(job.id);
    return job;
  }

  /** Takes one that waits for this placement, as long as there is one. */
  take(placement: ScheduledPlacement): Job | undefined {
    const job = placement.take();
    if (job) this.#waited(job.id);
    return job;
  }

  /** Starts the next one of this placement, as long as it has room for one. */
  start(placement: ScheduledPlacement, pressure: Pressure, now: number): Job | undefined {
    const next = placement.start(pressure, now);
    if (!next) return undefined;
    this.#waited(next.job.id);
    this.#started.set(next.job.id, { ...next, placement, at: now });
    return next.job;
  }

  /** A started one is over; undefined: it was not running. */
  finish(id: number, now: number): Started | undefined {
    const started = this.#started.get(id);
    this.#started.delete(id);
    started?.stay.finish(started.job, now);
    return started;
  }

  #waited(id: number): void {
    this.#waiting.delete(id);
    this.#deadlines.delete(id);
  }
}
