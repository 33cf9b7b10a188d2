/**
 * The vocabulary of the scheduler: what it is told, and what it wants done. Times are Clock.now(), in ns.
 * core/scheduling/scheduler.ts decides; core/runtime.ts does what it says and reports back.
 */
import type { ErrorCode, ProxyError } from "../errors.ts";
import type { Device, Priority } from "../request.ts";

/** A model, at one revision of its files, on one device. */
export interface PlacementSpec {
  /** Unique: name, digest and device. */
  readonly key: string;
  /** The model's name as listings print it: the same for all its devices and revisions. */
  readonly model: string;
  readonly device: Device;
  /** Alone of its kind on its device (an LLM on the NPU): another such placement is unloaded before it is loaded. */
  readonly exclusive: boolean;
  /** Never evicted, never expires. */
  readonly pinned: boolean;
  /** Most jobs that run on it at once; 1 on the NPU. */
  readonly parallel: number;
}

export interface Job {
  readonly id: number;
  /** Fairness: among waiting jobs of one priority clients take turns. */
  readonly client: string;
  readonly priority: Priority;
  readonly placement: PlacementSpec;
  /** KV tokens that it may come to need: prompt + longest answer. 0: it only wants the placement loaded. */
  readonly tokens: number;
  /** It is rejected with queue_timeout when it has not started by then. */
  readonly deadline: number;
  /** How long the placement stays loaded after this job, in ns; Infinity: for ever. */
  readonly keepAlive: number;
}

export type SchedulerEvent =
  /** A job that waits for its placement; answered by `start` or `reject`, once, at once or later. */
  | { readonly type: "submit"; readonly job: Job }
  /** Its client left while it waited, or while it ran (then `finished` follows all the same). */
  | { readonly type: "leave"; readonly id: number }
  /** A started job is over. "memory": its device ran out of memory. */
  | { readonly type: "finished"; readonly id: number; readonly outcome: "done" | "failed" | "memory" | "left" }
  /** Another device serves meanwhile, but this placement should be loaded as soon as its device can have it. */
  | { readonly type: "want"; readonly placement: PlacementSpec }
  /** The answer to `load`. `capacity`: KV tokens that its running jobs may need together; undefined: any. */
  | { readonly type: "loaded"; readonly key: string; readonly capacity: number | undefined }
  | { readonly type: "load_failed"; readonly key: string; readonly error: ProxyError }
  /** The answer to `load` where there is too little memory: evict somebody idle and try again, or give up with the error. */
  | { readonly type: "load_refused"; readonly key: string; readonly error: ProxyError }
  /** A loaded placement's runner is gone: after `unload`, or by itself (its started jobs then finish by themselves). */
  | { readonly type: "ended"; readonly key: string; readonly crashed: boolean }
  /** Unload the model's placements, all or on one device, as soon as nothing of theirs runs or waits. */
  | { readonly type: "expire"; readonly model: string; readonly device?: Device }
  /** Its files were replaced or removed: it takes no more jobs from now on and ends with its last one. */
  | { readonly type: "retire"; readonly key: string }
  | { readonly type: "pressure"; readonly level: Pressure }
  /** A wake-up that was asked for, or any other occasion to look at the time. */
  | { readonly type: "tick" }
  /** No more starts: everything that waits is rejected with shutting_down. */
  | { readonly type: "close" };

/** Memory: tight refuses batch jobs and evicts what is idle; critical refuses jobs of placements that are not loaded too. */
export type Pressure = "normal" | "tight" | "critical";

export type Effect =
  /** Answered by loaded, load_failed or load_refused. At most one at a time for each device. */
  | { readonly type: "load"; readonly placement: PlacementSpec }
  /** Answered by ended. Only of a placement without started jobs. */
  | { readonly type: "unload"; readonly key: string; readonly why: "expired" | "evicted" | "retired" | "pressure" }
  /** Answered by finished. */
  | { readonly type: "start"; readonly id: number; readonly key: string }
  | { readonly type: "reject"; readonly id: number; readonly error: ProxyError | RejectCode }
  /** Send `tick` at this time; replaces an earlier wake-up. */
  | { readonly type: "wake"; readonly at: number };

export type RejectCode = Extract<
  ErrorCode,
  "queue_full" | "queue_timeout" | "shutting_down" | "insufficient_memory" | "model_not_loaded"
>;

export type Phase =
  /** Asked for; waits for a seat, for memory, for its device or for its back-off. */
  | "wanted"
  | "loading"
  | "ready"
  /** Starts nothing new: another placement gets its seat when its running jobs are over. What waits stays. */
  | "draining"
  | "unloading";

export interface PlacementState {
  readonly spec: PlacementSpec;
  readonly phase: Phase;
  readonly running: number;
  readonly waiting: number;
  /** Most jobs at once now: less than the spec's after the device ran out of memory. */
  readonly parallel: number;
  /** When it is unloaded if nothing comes; Infinity: never; undefined: it has work or is not loaded. */
  readonly expires: number | undefined;
}

export interface SchedulerOptions {
  /** Most jobs that wait for one placement. */
  readonly maxQueue: number;
  /** Most placements that are loading, loaded or unloading at once; 0: no limit. */
  readonly maxLoaded: number;
}

/** A place among the requests that wait. `release` gives it back; generate() does so once the request is queued. */
export interface Admission {
  release(): void;
}
