/**
 * Decides which placements are loaded and which job starts when: events in, effects out. Pure: no clock, timer or promise;
 * core/runtime.ts applies the effects and reports what came of them. The rules lie with their nouns: turns in
 * fair-queue.ts, room for jobs in stay.ts, seats and evictions in seats.ts, back-off and parallelism in standing.ts.
 */
import { ProxyError } from "../errors.ts";
import { JobLedger } from "./job-ledger.ts";
import type {
  Effect,
  Job,
  PlacementSpec,
  PlacementState,
  Pressure,
  RejectCode,
  SchedulerEvent,
  SchedulerOptions,
} from "./schedule.ts";
import { leastRecentlyUsed, ScheduledPlacement } from "./scheduled-placement.ts";
import { planSeats, type SeatPlan } from "./seats.ts";
import { Standings } from "./standing.ts";

type Event<Type extends SchedulerEvent["type"]> = Extract<SchedulerEvent, { readonly type: Type }>;

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #placements = new Map<string, ScheduledPlacement>();
  readonly #standings = new Standings();
  readonly #jobs = new JobLedger();
  #pressure: Pressure = "normal";
  #closed = false;
  #ranks = 0;
  /** The wake-up that was asked for and has not come, in ns. */
  #wakeAt = Number.POSITIVE_INFINITY;
  /** Of the event that is being handled. */
  #now = 0;
  #effects: Effect[] = [];

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  /** Jobs that wait, for whatever placement. */
  get waiting(): number {
    return this.#jobs.waiting;
  }

  /** Jobs that were started and are not over. */
  get running(): number {
    return this.#jobs.running;
  }

  /** Every placement that is loaded or that somebody needs, in the order in which they appeared. */
  placements(): readonly PlacementState[] {
    return [...this.#placements.values()].map((placement) => placement.state(this.#pressure));
  }

  /**
   * What is to be done because of this event, in this order. Events about what is unknown, or over, change nothing.
   * @param now in ns; never less than the last event's
   */
  handle(event: SchedulerEvent, now: number): readonly Effect[] {
    this.#now = now;
    this.#effects = [];
    this.#apply(event);
    this.#rejectLate();
    const wakeAt = this.#settle();
    this.#askToWake(wakeAt, event.type === "tick");
    return this.#effects;
  }

  #apply(event: SchedulerEvent): void {
    // biome-ignore format: one line for each event reads like the table that it is
    switch (event.type) {
      case "submit": this.#submit(event.job); break;
      case "leave": this.#jobs.leave(event.id); break;
      case "finished": this.#finished(event); break;
      case "want": this.#want(event.placement); break;
      case "loaded": this.#loading(event.key)?.settle(event.capacity, this.#now); break;
      case "load_failed": this.#loadFailed(event); break;
      case "load_refused": this.#loadRefused(event); break;
      case "ended": this.#ended(event); break;
      case "expire": this.#expire(event); break;
      case "retire": this.#placements.get(event.key)?.retire(); break;
      case "pressure": this.#press(event.level); break;
      case "close": this.#close(); break;
      case "tick": break;
    }
  }

  // ---- events

  #submit(job: Job): void {
    if (this.#jobs.has(job.id)) return;
    this.#rejectLate();
    const refusal = this.#refusal(job);
    if (refusal) this.#reject(job, refusal);
    else this.#jobs.wait(job, this.#placement(job.placement));
  }

  #refusal(job: Job): RejectCode | undefined {
    const placement = this.#placements.get(job.placement.key);
    const ready = placement?.phase === "ready";
    if (this.#closed) return "shutting_down";
    if (this.#pressure !== "normal" && job.priority === "batch") return "insufficient_memory";
    if (this.#pressure === "critical" && !ready) return "insufficient_memory";
    const waits = !(ready && job.tokens === 0);
    return waits && (placement?.waiting ?? 0) >= this.#options.maxQueue ? "queue_full" : undefined;
  }

  #finished({ id, outcome }: Event<"finished">): void {
    const started = this.#jobs.finish(id, this.#now);
    if (!started) return;
    const { placement, stay, at } = started;
    if (outcome === "done" && stay === placement.stay) placement.standing.answered();
    if (outcome === "memory") placement.standing.outOfMemory(placement.spec.parallel, at, this.#now);
  }

  /** Under pressure nothing is loaded that nobody waits for: it would be the first to go. */
  #want(spec: PlacementSpec): void {
    if (!this.#closed && this.#pressure === "normal") this.#placement(spec).want(spec, this.#now);
  }

  #loadFailed({ key, error }: Event<"load_failed">): void {
    const placement = this.#loading(key);
    placement?.standing.failed(this.#now);
    if (placement) this.#giveUp(placement, error);
  }

  #loadRefused({ key, error }: Event<"load_refused">): void {
    const placement = this.#loading(key);
    if (!placement) return;
    placement.unseat();
    if (!placement.needed) return;
    const all = [...this.#placements.values()];
    const leaving = all.find(({ phase }) => phase === "unloading");
    const idle = leastRecentlyUsed(all.filter((other) => other.idle && !other.pinned));
    if (!leaving && idle) this.#unload(idle, "evicted");
    placement.awaits = leaving ?? idle;
    if (!placement.awaits) this.#giveUp(placement, error);
  }

  #ended({ key, crashed }: Event<"ended">): void {
    const placement = this.#placements.get(key);
    if (!placement?.stay) return;
    if (crashed) placement.standing.failed(this.#now);
    placement.unseat();
    for (const other of this.#placements.values()) if (other.awaits === placement) other.awaits = undefined;
  }

  #expire({ model, device }: Event<"expire">): void {
    for (const placement of this.#placements.values()) {
      const { spec } = placement;
      if (spec.model === model && (device ?? spec.device) === spec.device) placement.expireWhenIdle();
    }
  }

  #press(level: Pressure): void {
    this.#pressure = level;
    if (level !== "normal") this.#dropWants();
  }

  #close(): void {
    this.#closed = true;
    this.#dropWants();
    for (const placement of this.#placements.values()) this.#rejectAll(placement, "shutting_down");
  }

  // ---- what follows from them

  /** Does what is due, and returns when something will be that no event announces. */
  #settle(): number {
    for (const placement of this.#placements.values()) {
      placement.standing.grow(placement.spec.parallel, this.#now);
      if ((placement.wantedUntil ?? this.#now) <= this.#now) placement.wantedUntil = undefined;
      this.#startJobs(placement);
      this.#unloadIfOver(placement);
      if (!placement.seated && !placement.needed) this.#placements.delete(placement.spec.key);
      else if (placement.needed && placement.phase !== "ready") placement.rank ??= this.#ranks++;
    }
    const residence = this.#assignSeats();
    this.#relievePressure();
    let wakeAt = Math.min(residence, this.#jobs.deadline);
    for (const { expires, wantedUntil, phase, standing } of this.#placements.values()) {
      wakeAt = Math.min(wakeAt, expires ?? wakeAt, wantedUntil ?? wakeAt);
      if (phase === "wanted" && standing.notBefore > this.#now) wakeAt = Math.min(wakeAt, standing.notBefore);
    }
    return wakeAt;
  }

  #rejectLate(): void {
    for (let job = this.#jobs.takeLate(this.#now); job; job = this.#jobs.takeLate(this.#now))
      this.#reject(job, "queue_timeout");
  }

  #startJobs(placement: ScheduledPlacement): void {
    const start = (): Job | undefined => this.#jobs.start(placement, this.#pressure, this.#now);
    for (let job = start(); job; job = start())
      this.#effects.push({ type: "start", id: job.id, key: placement.spec.key });
  }

  #unloadIfOver(placement: ScheduledPlacement): void {
    if (!placement.idle) return;
    placement.rest(this.#now);
    if (placement.retired) this.#unload(placement, "retired");
    else if ((placement.expires ?? Number.POSITIVE_INFINITY) <= this.#now) this.#unload(placement, "expired");
  }

  /** Loads who can be, and has others make room. Returns when that may be asked of one that was loaded just now. */
  #assignSeats(): number {
    const plan = this.#seatPlan();
    if (!plan) return Number.POSITIVE_INFINITY;
    for (const placement of plan.unload) this.#unload(placement, "evicted");
    for (const placement of plan.drain) placement.drain(this.#ranks++);
    for (const placement of plan.resume) {
      placement.resume();
      this.#startJobs(placement);
      this.#unloadIfOver(placement);
    }
    for (const placement of this.#placements.values())
      if (placement.phase === "draining" && placement.running === 0) this.#unload(placement, "evicted");
    for (const placement of plan.load) {
      placement.load(this.#now);
      this.#effects.push({ type: "load", placement: placement.spec });
    }
    return plan.wakeAt;
  }

  /** Undefined: nobody needs a seat. Those who will never get one are told so, and others are seen in their place. */
  #seatPlan(): SeatPlan | undefined {
    for (;;) {
      const all = [...this.#placements.values()];
      if (!all.some(({ phase }) => phase === "wanted" || phase === "draining")) return undefined;
      const plan = planSeats(all, this.#options.maxLoaded, this.#now);
      if (plan.refuse.length === 0) return plan;
      for (const { placement, message } of plan.refuse)
        this.#giveUp(placement, new ProxyError("model_not_loaded", message));
    }
  }

  /** One at a time: the next only where the last one did not help. */
  #relievePressure(): void {
    const all = [...this.#placements.values()];
    if (this.#pressure === "normal" || all.some(({ phase }) => phase === "unloading")) return;
    const idle = leastRecentlyUsed(all.filter((placement) => placement.idle && !placement.pinned));
    if (idle) this.#unload(idle, "pressure");
  }

  /** One that was asked for already and comes no later will do: its tick asks anew. */
  #askToWake(at: number, ticked: boolean): void {
    if (ticked || this.#wakeAt <= this.#now) this.#wakeAt = Number.POSITIVE_INFINITY;
    if (at >= this.#wakeAt) return;
    this.#wakeAt = at;
    this.#effects.push({ type: "wake", at });
  }

  // ---- placements and jobs

  #placement(spec: PlacementSpec): ScheduledPlacement {
    const known = this.#placements.get(spec.key);
    if (known) return known;
    const placement = new ScheduledPlacement(spec, this.#standings.of(spec.key, this.#placements, this.#now));
    this.#placements.set(spec.key, placement);
    return placement;
  }

  #loading(key: string): ScheduledPlacement | undefined {
    const placement = this.#placements.get(key);
    return placement?.phase === "loading" ? placement : undefined;
  }

  #unload(placement: ScheduledPlacement, why: Extract<Effect, { type: "unload" }>["why"]): void {
    placement.unload();
    this.#effects.push({ type: "unload", key: placement.spec.key, why });
  }

  /** It will not be loaded: whoever waits is told why. */
  #giveUp(placement: ScheduledPlacement, error: ProxyError): void {
    this.#rejectAll(placement, error);
    this.#placements.delete(placement.spec.key);
  }

  #rejectAll(placement: ScheduledPlacement, error: ProxyError | RejectCode): void {
    for (let job = this.#jobs.take(placement); job; job = this.#jobs.take(placement)) this.#reject(job, error);
  }

  #reject({ id }: Job, error: ProxyError | RejectCode): void {
    this.#effects.push({ type: "reject", id, error });
  }

  #dropWants(): void {
    for (const placement of this.#placements.values()) placement.wantedUntil = undefined;
  }
}
