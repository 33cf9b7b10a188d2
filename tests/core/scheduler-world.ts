import { expect } from "bun:test";
import { ProxyError } from "../../src/core/errors.ts";
import type {
  Effect,
  Job,
  PlacementSpec,
  SchedulerEvent,
  SchedulerOptions,
} from "../../src/core/scheduling/schedule.ts";
import { Scheduler } from "../../src/core/scheduling/scheduler.ts";
import { Turns } from "./scheduler-turns.ts";

type Outcome = Extract<SchedulerEvent, { type: "finished" }>["outcome"];

interface Runner {
  readonly spec: PlacementSpec;
  readonly capacity: number | undefined;
  readonly jobs: Map<number, Job>;
  unloading: boolean;
}

/**
 * What the scheduler's effects are done to: loads under way, runners, jobs. It holds every rule that must hold whatever
 * happens, by its own books, and throws at the first effect that breaks one.
 */
export class World {
  readonly scheduler: Scheduler;
  readonly options: SchedulerOptions;
  now = 0;
  readonly loads = new Map<string, PlacementSpec>();
  readonly runners = new Map<string, Runner>();
  readonly waiting = new Map<number, Job>();
  /** Started and not over; of some the runner is gone. */
  readonly running = new Map<number, Job>();
  readonly starts = new Set<number>();
  readonly over = new Set<number>();
  wake = Number.POSITIVE_INFINITY;
  readonly #turns = new Turns();

  constructor(options: SchedulerOptions) {
    this.options = options;
    this.scheduler = new Scheduler(options);
  }

  // ---- what may happen

  submit(job: Job): void {
    this.waiting.set(job.id, job);
    if (job.tokens > 0) this.#turns.joined(job);
    this.tell({ type: "submit", job });
  }

  leave(id: number): void {
    if (this.waiting.has(id)) this.#gone(id);
    this.tell({ type: "leave", id });
  }

  finish(id: number, outcome: Outcome): void {
    this.running.delete(id);
    for (const runner of this.runners.values()) runner.jobs.delete(id);
    this.over.add(id);
    this.tell({ type: "finished", id, outcome });
  }

  loaded(key: string, capacity: number | undefined): void {
    const spec = this.loads.get(key);
    if (!spec) throw new Error(`nobody loads ${key}`);
    this.loads.delete(key);
    this.runners.set(key, { spec, capacity, jobs: new Map(), unloading: false });
    this.tell({ type: "loaded", key, capacity });
  }

  notLoaded(key: string, type: "load_failed" | "load_refused"): void {
    this.loads.delete(key);
    this.tell({ type, key, error: new ProxyError("insufficient_memory", "No.") });
  }

  /** A runner is gone: unloaded as asked, or crashed with its jobs, which are over later. */
  end(key: string, crashed: boolean): void {
    this.runners.delete(key);
    this.tell({ type: "ended", key, crashed });
  }

  /** The wake-up comes. */
  ring(): void {
    this.now = Math.max(this.now, this.wake);
    this.wake = Number.POSITIVE_INFINITY;
    this.tell({ type: "tick" });
  }

  tell(event: SchedulerEvent): void {
    for (const effect of this.scheduler.handle(event, this.now)) this.#do(effect);
    this.#check();
  }

  // ---- what must hold

  #do(effect: Effect): void {
    switch (effect.type) {
      case "load":
        this.#load(effect.placement);
        break;
      case "unload": {
        const runner = this.#runner(effect.key);
        expect(runner.jobs.size, "unloaded with jobs").toBe(0);
        runner.unloading = true;
        break;
      }
      case "start":
        this.#start(effect.id, effect.key);
        break;
      case "reject": {
        const job = this.#waiter(effect.id);
        if (effect.error === "queue_timeout") expect(job.deadline).toBeLessThanOrEqual(this.now);
        if (effect.error === "queue_full")
          expect(this.#waitingFor(job.placement.key)).toBeGreaterThan(this.options.maxQueue);
        this.#gone(effect.id);
        break;
      }
      case "wake":
        expect(effect.at, "a wake-up in the past").toBeGreaterThan(this.now);
        this.wake = effect.at;
    }
  }

  #load(spec: PlacementSpec): void {
    const seated = [...this.loads.values(), ...[...this.runners.values()].map((runner) => runner.spec)];
    const same = seated.filter(({ device }) => device === spec.device);
    expect(seated.map(({ key }) => key)).not.toContain(spec.key);
    expect([...this.loads.values()].filter(({ device }) => device === spec.device)).toEqual([]);
    if (spec.exclusive) expect(same.filter(({ exclusive }) => exclusive)).toEqual([]);
    if (this.options.maxLoaded > 0) expect(seated.length).toBeLessThan(this.options.maxLoaded);
    this.loads.set(spec.key, spec);
  }

  #start(id: number, key: string): void {
    const job = this.#waiter(id);
    const runner = this.#runner(key);
    expect(job.placement.key).toBe(key);
    expect(this.starts.has(id), "started twice").toBe(false);
    expect(job.deadline, "started too late").toBeGreaterThan(this.now);
    const generating = [...runner.jobs.values()].filter(({ tokens }) => tokens > 0);
    if (job.tokens > 0) {
      const reserved = generating.reduce((sum, { tokens }) => sum + tokens, job.tokens);
      expect(generating.length).toBeLessThan(runner.spec.parallel);
      if (runner.capacity !== undefined && generating.length > 0) expect(reserved).toBeLessThanOrEqual(runner.capacity);
      this.#turns.started(job);
    }
    this.waiting.delete(id);
    this.starts.add(id);
    this.running.set(id, job);
    runner.jobs.set(id, job);
  }

  #check(): void {
    const { scheduler } = this;
    expect(scheduler.waiting).toBe(this.waiting.size);
    expect(scheduler.running).toBe(this.running.size);
    const earliest = Math.min(...[...this.waiting.values()].map(({ deadline }) => deadline));
    expect(earliest, "a deadline has passed").toBeGreaterThan(this.now);
    expect(this.wake, "no wake-up for a deadline").toBeLessThanOrEqual(earliest);
    const states = scheduler.placements();
    const phases: Record<string, string> = {};
    for (const key of this.loads.keys()) phases[key] = "loading";
    for (const [key, { unloading }] of this.runners) phases[key] = unloading ? "unloading" : "ready";
    const told = states.filter(({ phase }) => phase !== "wanted");
    const seen = told.map(({ spec, phase }) => [spec.key, phase === "draining" ? "ready" : phase]);
    expect(Object.fromEntries(seen)).toEqual(phases);
    if (this.options.maxLoaded > 0) expect(told.length).toBeLessThanOrEqual(this.options.maxLoaded);
    for (const { spec, waiting, running, phase, expires } of states) {
      expect(waiting).toBe(this.#waitingFor(spec.key));
      expect(waiting).toBeLessThanOrEqual(this.options.maxQueue);
      expect(running).toBe(this.runners.get(spec.key)?.jobs.size ?? 0);
      if (phase === "draining") expect(running, "drained and still there").toBeGreaterThan(0);
      if (phase === "ready" && running === 0) {
        expect(waiting, "a ready one without work, and jobs that wait for it").toBe(0);
        expect(this.wake).toBeLessThanOrEqual(expires ?? 0);
      }
    }
  }

  #gone(id: number): void {
    const job = this.#waiter(id);
    this.waiting.delete(id);
    this.over.add(id);
    if (job.tokens > 0) this.#turns.left(job);
  }

  #waiter(id: number): Job {
    const job = this.waiting.get(id);
    if (!job) throw new Error(`job ${id} does not wait`);
    return job;
  }

  #runner(key: string): Runner {
    const runner = this.runners.get(key);
    if (!runner || runner.unloading) throw new Error(`${key} is not loaded`);
    return runner;
  }

  #waitingFor(key: string): number {
    return [...this.waiting.values()].filter(({ placement }) => placement.key === key).length;
  }
}
