import type { ErrorCode } from "../../src/core/errors.ts";
import type {
  Effect,
  Job,
  PlacementSpec,
  SchedulerEvent,
  SchedulerOptions,
} from "../../src/core/scheduling/schedule.ts";
import { Scheduler } from "../../src/core/scheduling/scheduler.ts";

export const SECOND = 1e9;

/** "a@CPU": the model a on the CPU, four jobs at once; on the NPU exclusive and one at a time. */
export function placement(key: string, more: Partial<PlacementSpec> = {}): PlacementSpec {
  const [model = "", device = "CPU"] = key.split("@");
  const onNpu = device === "NPU";
  return { key, model, device, exclusive: onNpu, pinned: false, parallel: onNpu ? 1 : 4, ...more };
}

export function job(id: number, spec: PlacementSpec, more: Partial<Job> = {}): Job {
  const rest = { tokens: 10, deadline: 600 * SECOND, keepAlive: 300 * SECOND };
  return { id, client: "someone", priority: "interactive", placement: spec, ...rest, ...more };
}

/** A scheduler that is told a story, event by event; each returns its effects in words, the wake-ups apart. */
export class Story {
  readonly scheduler: Scheduler;
  /** In seconds. */
  now = 0;
  /** The last wake-up that was asked for, in seconds. */
  wake: number | undefined;
  /** The sentence or code of the last reject. */
  told = "";

  constructor(options: Partial<SchedulerOptions> = {}) {
    this.scheduler = new Scheduler({ maxQueue: 8, maxLoaded: 0, ...options });
  }

  tell(event: SchedulerEvent): string[] {
    return this.scheduler.handle(event, this.now * SECOND).flatMap((effect) => this.#words(effect));
  }

  at(seconds: number): this {
    this.now = seconds;
    return this;
  }

  tick(): string[] {
    return this.tell({ type: "tick" });
  }

  submit(id: number, spec: PlacementSpec, more: Partial<Job> = {}): string[] {
    return this.tell({ type: "submit", job: job(id, spec, more) });
  }

  loaded(spec: PlacementSpec, capacity?: number): string[] {
    return this.tell({ type: "loaded", key: spec.key, capacity });
  }

  done(id: number, outcome: "done" | "failed" | "memory" | "left" = "done"): string[] {
    return this.tell({ type: "finished", id, outcome });
  }

  ended(spec: PlacementSpec, crashed = false): string[] {
    return this.tell({ type: "ended", key: spec.key, crashed });
  }

  want(spec: PlacementSpec): string[] {
    return this.tell({ type: "want", placement: spec });
  }

  leave(id: number): string[] {
    return this.tell({ type: "leave", id });
  }

  /** Loaded for one job, which is over at once: idle. */
  idle(id: number, spec: PlacementSpec, more: Partial<Job> = {}): void {
    this.busy(id, spec, more);
    this.done(id);
  }

  /** Loaded, in no time, with one job running. */
  busy(id: number, spec: PlacementSpec, more: Partial<Job> = {}): void {
    this.submit(id, spec, more);
    this.loaded(spec);
  }

  phases(): Record<string, string> {
    return Object.fromEntries(this.scheduler.placements().map(({ spec, phase }) => [spec.key, phase]));
  }

  state(spec: PlacementSpec) {
    return this.scheduler.placements().find((state) => state.spec.key === spec.key);
  }

  #words(effect: Effect): string[] {
    switch (effect.type) {
      case "load":
        return [`load ${effect.placement.key}`];
      case "unload":
        return [`unload ${effect.key} ${effect.why}`];
      case "start":
        return [`start ${effect.id}`];
      case "reject": {
        const code: ErrorCode = typeof effect.error === "string" ? effect.error : effect.error.code;
        this.told = typeof effect.error === "string" ? effect.error : effect.error.message;
        return [`reject ${effect.id} ${code}`];
      }
      case "wake":
        this.wake = effect.at / SECOND;
        return [];
    }
  }
}
