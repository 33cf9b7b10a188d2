/** A placement as the scheduler keeps it: who waits for it, what runs there, and why it is still there. */
import { FairQueue } from "./fair-queue.ts";
import type { Job, Phase, PlacementSpec, PlacementState, Pressure } from "./schedule.ts";
import type { Standing } from "./standing.ts";
import { Stay } from "./stay.ts";

/** How long one stays that was loaded because it was wanted, and that no job named a time for: Ollama's default. In ns. */
const KEEP_ALIVE = 300e9;
/** A placement that no job waits for is wanted for this long, in ns. */
const WANT = 60e9;

export class ScheduledPlacement {
  spec: PlacementSpec;
  readonly standing: Standing;
  phase: Phase = "wanted";
  /** Its place among those that need a seat: the lowest is served first. Undefined: it has one, or needs none. */
  rank: number | undefined;
  /** When its load began, in ns. */
  loadBegan = 0;
  /** Of ready, draining and unloading. */
  stay: Stay | undefined;
  /** When it is unloaded if nothing comes, in ns; undefined: it has work or is not loaded. */
  expires: number | undefined;
  expiring = false;
  retired = false;
  /** There was too little memory to load it: it waits until this one is gone. */
  awaits: ScheduledPlacement | undefined;
  /** Until then it is wanted without a job, in ns. */
  wantedUntil: number | undefined;
  readonly #queue = new FairQueue();
  /** Jobs that only want it loaded. */
  readonly #callers = new FairQueue();
  /** Of the job that was started last; before the first one, of the job that came last. */
  #keepAlive = KEEP_ALIVE;

  constructor(spec: PlacementSpec, standing: Standing) {
    this.spec = spec;
    this.standing = standing;
  }

  get waiting(): number {
    return this.#queue.size + this.#callers.size;
  }

  get running(): number {
    return this.stay?.running ?? 0;
  }

  /** Loaded, and without work. */
  get idle(): boolean {
    return this.phase === "ready" && this.running === 0 && this.waiting === 0;
  }

  /** It counts against the number of loaded placements. */
  get seated(): boolean {
    return this.phase !== "wanted";
  }

  get needed(): boolean {
    return this.waiting > 0 || this.wantedUntil !== undefined;
  }

  /** Not to be unloaded for others' sake. Explicit words (expire, retire) are stronger than the pin. */
  get pinned(): boolean {
    return this.spec.pinned && !this.retired && !this.expiring;
  }

  want(spec: PlacementSpec, now: number): void {
    if (this.phase === "ready" || this.phase === "loading" || this.retired) return;
    this.spec = spec;
    this.wantedUntil = now + WANT;
  }

  add(job: Job): void {
    this.spec = job.placement;
    this.expiring = false;
    if (!this.stay) this.#keepAlive = job.keepAlive;
    (job.tokens === 0 ? this.#callers : this.#queue).add(job);
  }

  delete(id: number): void {
    this.#callers.delete(id) ?? this.#queue.delete(id);
  }

  /** Takes anybody who waits, as long as somebody does. */
  take(): Job | undefined {
    return this.#callers.take() ?? this.#queue.take();
  }

  /** Takes whoever may start now; undefined: nobody. */
  start(pressure: Pressure, now: number): { readonly job: Job; readonly stay: Stay } | undefined {
    const stay = this.stay;
    if (this.phase !== "ready" || !stay) return undefined;
    const job = this.#callers.take() ?? this.#takeHead(stay, pressure);
    if (!job) return undefined;
    stay.begin(job, now);
    this.expires = undefined;
    this.#keepAlive = job.keepAlive;
    return { job, stay };
  }

  /** Unless a later job comes, the work that is there now is its last. */
  expireWhenIdle(): void {
    this.expiring = true;
    this.wantedUntil = undefined;
  }

  /** Its files are gone: what waits and runs is its last work. */
  retire(): void {
    this.retired = true;
    this.wantedUntil = undefined;
  }

  load(now: number): void {
    this.phase = "loading";
    this.loadBegan = now;
  }

  /** It was loaded. */
  settle(capacity: number | undefined, now: number): void {
    this.stay = new Stay(capacity, this.loadBegan, now);
    this.wantedUntil = undefined;
    this.resume();
  }

  /** It keeps its seat, and serves. */
  resume(): void {
    this.phase = "ready";
    this.rank = undefined;
  }

  /** It starts nothing new, and is served again when those before it were. */
  drain(rank: number): void {
    this.phase = "draining";
    this.rank = rank;
  }

  unload(): void {
    this.phase = "unloading";
    this.expires = undefined;
  }

  /** It has no runner, or none any more; whoever waits needs one. */
  unseat(): void {
    this.phase = "wanted";
    this.stay = undefined;
    this.expires = undefined;
  }

  /** It is idle. From the first time on its keep-alive runs. */
  rest(now: number): void {
    this.expires ??= this.pinned ? Number.POSITIVE_INFINITY : now + this.#keepAlive;
    if (this.expiring) this.expires = now;
  }

  /** Most jobs that generate at once. */
  parallel(pressure: Pressure): number {
    const parallel = this.standing.parallel(this.spec.parallel);
    return pressure === "critical" ? Math.max(1, Math.floor(parallel / 2)) : parallel;
  }

  state(pressure: Pressure): PlacementState {
    const { spec, phase, running, waiting, expires } = this;
    return { spec, phase, running, waiting, expires, parallel: this.parallel(pressure) };
  }

  /** Nobody slips past the head of the queue: a job that needs much would never start among small ones. */
  #takeHead(stay: Stay, pressure: Pressure): Job | undefined {
    const head = this.#queue.head;
    return head && stay.hasRoom(head, this.parallel(pressure)) ? this.#queue.take() : undefined;
  }
}

/** The one whose last use is the longest ago. */
export function leastRecentlyUsed(placements: readonly ScheduledPlacement[]): ScheduledPlacement | undefined {
  const lastUse = (placement: ScheduledPlacement): number => placement.stay?.lastUsed ?? 0;
  return placements.reduce<ScheduledPlacement | undefined>(
    (oldest, placement) => (oldest && lastUse(oldest) <= lastUse(placement) ? oldest : placement),
    undefined,
  );
}
