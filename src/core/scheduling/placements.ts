/** The live placements: does what the scheduler decides, and tells it what happened. */
import { asProxyError, ProxyError } from "../errors.ts";
import type { Home } from "../home.ts";
import type { PlacedEngine } from "../placed-engine.ts";
import type { Clock, Engine, Observer, Timers } from "../ports.ts";
import type { Device } from "../request.ts";
import type { LoadPlan } from "../routing/limits.ts";
import type {
  Effect,
  Job,
  PlacementState,
  Pressure,
  RejectCode,
  SchedulerEvent,
  SchedulerOptions,
} from "./schedule.ts";
import { Scheduler } from "./scheduler.ts";

/** A started job's place: its owner calls `finish`, once. */
export interface Seat<Placed extends PlacedEngine = Engine> {
  readonly engine: Placed;
  /** Most tokens that prompt and answer may have together: its KV cache; undefined: what its shape takes. */
  readonly capacity: number | undefined;
  finish(outcome: "done" | "failed" | "memory" | "left"): void;
}

export interface PlacementsOptions {
  /** @throws ProxyError as EngineHost.load */
  readonly load: (home: Home, plan: LoadPlan, signal: AbortSignal) => Promise<PlacedEngine>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly observer: Observer;
  readonly schedule: SchedulerOptions;
  /** Ends loads that are under way. */
  readonly ending: AbortSignal;
  /** How it is loaded with the memory that there is. @throws ProxyError insufficient_memory, with the numbers */
  readonly plan: (home: Home) => LoadPlan;
  readonly onLoaded: (home: Home, engine: PlacedEngine, ms: number) => void;
  readonly onLoadFailed: (home: Home, error: ProxyError) => void;
  /** A runner ended by itself. */
  readonly onCrash: (home: Home, error: ProxyError) => void;
}

const NS_PER_MS = 1e6;

export class Placements {
  readonly #options: PlacementsOptions;
  readonly #scheduler: Scheduler;
  readonly #homes = new Map<string, Home>();
  readonly #engines = new Map<string, PlacedEngine>();
  readonly #capacities = new Map<string, number | undefined>();
  readonly #closing = new Set<Promise<unknown>>();
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  readonly #events: SchedulerEvent[] = [];
  #handling = false;
  #nextJob = 1;
  #cancelWake: () => void = () => undefined;

  constructor(options: PlacementsOptions) {
    this.#options = options;
    this.#scheduler = new Scheduler(options.schedule);
  }

  get waiting(): number {
    return this.#scheduler.waiting;
  }

  get running(): number {
    return this.#scheduler.running;
  }

  /**
   * Waits for a place on a placement, which is loaded where it is not. The signal takes the job out of the queue.
   * @throws ProxyError queue_full, queue_timeout, shutting_down, insufficient_memory, model_not_loaded, and what loading throws
   */
  async enter(home: Home, ask: Omit<Job, "id" | "placement">, signal: AbortSignal): Promise<Seat<PlacedEngine>> {
    signal.throwIfAborted();
    const { key } = home.spec;
    this.#know(home);
    const id = this.#nextJob++;
    const seated = Promise.withResolvers<void>();
    const leave = (): void => {
      seated.reject(asProxyError(signal.reason));
      this.#tell({ type: "leave", id });
    };
    signal.addEventListener("abort", leave, { once: true });
    this.#waiting.set(id, seated);
    this.#tell({ type: "submit", job: { id, placement: home.spec, ...ask } });
    try {
      await seated.promise;
    } finally {
      signal.removeEventListener("abort", leave);
      this.#waiting.delete(id);
    }
    const engine = this.#engines.get(key);
    let over = false;
    const finish: Seat["finish"] = (outcome) => {
      if (over) return;
      over = true;
      this.#tell({ type: "finished", id, outcome });
    };
    if (signal.aborted || !engine) {
      finish(signal.aborted ? "left" : "failed");
      signal.throwIfAborted();
      throw new ProxyError("runner_crashed", "The engine ended before it took the request.");
    }
    return { engine, capacity: this.#capacities.get(key), finish };
  }

  isLoaded(key: string): boolean {
    return this.#engines.has(key);
  }

  /** The device should go to this placement as soon as it can be had; somebody else serves meanwhile. */
  want(home: Home): void {
    this.#know(home);
    this.#tell({ type: "want", placement: home.spec });
  }

  expire(model: string, device: Device | undefined): void {
    this.#tell({ type: "expire", model, ...(device !== undefined && { device }) });
  }

  /** Ends, as soon as nobody uses them, the placements of models that are in the store no more. */
  retireAllBut(names: ReadonlySet<string>): void {
    for (const { spec } of this.#homes.values())
      if (!names.has(spec.model)) this.#tell({ type: "retire", key: spec.key });
  }

  pressure(level: Pressure): void {
    this.#tell({ type: "pressure", level });
  }

  /** Every placement that there is or that is asked for, with its engine where it is loaded. */
  list(): readonly {
    readonly home: Home;
    readonly state: PlacementState;
    readonly engine: PlacedEngine | undefined;
  }[] {
    return this.#scheduler.placements().flatMap((state) => {
      const home = this.#homes.get(state.spec.key);
      return home ? [{ home, state, engine: this.#engines.get(state.spec.key) }] : [];
    });
  }

  /** Rejects what waits; what runs goes on. */
  refuseAll(): void {
    this.#tell({ type: "close" });
  }

  /** Ends every engine. Resolves when they are gone. */
  async close(): Promise<void> {
    this.#cancelWake();
    await Promise.all([...this.#engines.values()].map((engine) => engine.close()));
    await Promise.all(this.#closing);
  }

  #know(home: Home): void {
    const { key, model } = home.spec;
    for (const other of this.#homes.values())
      if (other.spec.model === model && other.model.digest !== home.model.digest)
        this.#tell({ type: "retire", key: other.spec.key });
    if (!this.#homes.has(key)) this.#homes.set(key, home);
  }

  /** Effects may lead to events at once: those wait until the first is done with. */
  #tell(event: SchedulerEvent): void {
    this.#events.push(event);
    if (this.#handling) return;
    this.#handling = true;
    try {
      for (let next = this.#events.shift(); next; next = this.#events.shift())
        for (const effect of this.#scheduler.handle(next, this.#options.clock.now())) this.#apply(effect);
    } finally {
      this.#handling = false;
    }
    this.#forget();
  }

  #apply(effect: Effect): void {
    switch (effect.type) {
      case "load":
        this.#load(effect.placement.key);
        break;
      case "unload":
        this.#unload(effect.key, effect.why);
        break;
      case "start": {
        const seated = this.#waiting.get(effect.id);
        if (seated) seated.resolve();
        else this.#tell({ type: "finished", id: effect.id, outcome: "left" });
        break;
      }
      case "reject":
        this.#waiting.get(effect.id)?.reject(typeof effect.error === "string" ? rejection(effect.error) : effect.error);
        break;
      case "wake":
        this.#cancelWake();
        this.#cancelWake = this.#options.timers.after(
          Math.max(0, (effect.at - this.#options.clock.now()) / NS_PER_MS),
          () => this.#tell({ type: "tick" }),
        );
        break;
    }
  }

  #load(key: string): void {
    const { clock, plan, ending, onLoaded, onLoadFailed } = this.#options;
    const home = this.#homes.get(key);
    if (!home) return;
    let how: LoadPlan;
    try {
      how = plan(home);
    } catch (error) {
      this.#tell({ type: "load_refused", key, error: asProxyError(error) });
      return;
    }
    const started = clock.now();
    const load = this.#options.load(home, how, ending).then(
      async (engine) => {
        if (ending.aborted) return await engine.close(); // it came when the others were ended already
        this.#engines.set(key, engine);
        this.#capacities.set(key, how.kvTokens);
        onLoaded(home, engine, (clock.now() - started) / NS_PER_MS);
        void engine.closed.then((reason) => {
          this.#engines.delete(key);
          this.#capacities.delete(key);
          if (reason) this.#options.onCrash(home, reason);
          this.#tell({ type: "ended", key, crashed: reason !== undefined });
        });
        this.#tell({ type: "loaded", key, capacity: how.kvTokens });
      },
      (thrown: unknown) => {
        const error = asProxyError(thrown);
        onLoadFailed(home, error);
        this.#tell({ type: "load_failed", key, error });
      },
    );
    this.#closing.add(load);
    void load.finally(() => this.#closing.delete(load));
  }

  #unload(key: string, why: string): void {
    const home = this.#homes.get(key);
    const fields = { model: home?.model.name, device: home?.device.name, why };
    this.#options.observer.log("info", "model unloaded", fields);
    const engine = this.#engines.get(key);
    if (!engine) return;
    const closing = engine.close();
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }

  /** Homes of placements that the scheduler knows no more. */
  #forget(): void {
    if (this.#homes.size <= this.#scheduler.placements().length) return;
    const known = new Set(this.#scheduler.placements().map(({ spec }) => spec.key));
    for (const key of this.#homes.keys()) if (!known.has(key)) this.#homes.delete(key);
  }
}

/** The error of a job that the scheduler rejects. */
export function rejection(code: RejectCode): ProxyError {
  return new ProxyError(code, SENTENCES[code]);
}

const SENTENCES: Readonly<Record<RejectCode, string>> = {
  queue_full: "As many requests wait for this model as may. Try again later, or raise NPU_PROXY_MAX_QUEUE.",
  queue_timeout:
    "The request waited for its model longer than it may and was not started. Try again later; NPU_PROXY_QUEUE_TIMEOUT " +
    "and the request's X-NPU-Proxy-Timeout set this time.",
  shutting_down: "npu-proxy is shutting down and takes no new requests. Try again later.",
  insufficient_memory: "The machine is short of memory, so that this request is not taken now. Try again later.",
  model_not_loaded: "The model cannot be loaded now. Try again later.",
};
