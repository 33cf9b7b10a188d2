/** Memory while the daemon runs: what a load may take, and when what is loaded has to give way. */
import { asProxyError } from "../errors.ts";
import type { Home } from "../home.ts";
import type { Machine, MemoryState, Observer, Timers } from "../ports.ts";
import { deviceClass } from "../request.ts";
import type { Placements } from "../scheduling/placements.ts";
import type { PlacementState, Pressure } from "../scheduling/schedule.ts";
import { type LoadDemand, type PlannedLoad, planLoad, pressureOf, withinLimit } from "./memory.ts";

export interface MemorySettings {
  /** NPU_PROXY_KV_CACHE_SIZE in bytes; 0: a share of what is free. */
  readonly kvBytes: number;
  /** NPU_PROXY_MEMORY_LIMIT in bytes; 0: none. */
  readonly limitBytes: number;
}

export interface MemoryWatchOptions {
  readonly machine: Machine;
  readonly timers: Timers;
  readonly observer: Observer;
  readonly settings: MemorySettings;
  readonly placements: Pick<Placements, "list" | "pressure">;
  /** A compiled blob of it is on the disk. */
  readonly isCompiled: (home: Home) => boolean;
}

type Listed = ReturnType<Placements["list"]>[number];

const LOOK_EVERY_MS = 1_000;

export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  /** What loads that are under way may come to take, in bytes. */
  readonly #loading = new Map<string, number>();
  #pressure: Pressure = "normal";
  #watching = false;
  #cancel: () => void = () => undefined;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
  }

  get pressure(): Pressure {
    return this.#pressure;
  }

  /** What there is and what may still be taken, within the limit of the settings. */
  get state(): MemoryState {
    const { machine, settings } = this.#options;
    return withinLimit(machine.memory(), settings.limitBytes, this.#held());
  }

  /** How a placement is loaded now. @throws ProxyError insufficient_memory, with the numbers */
  plan(home: Home): PlannedLoad {
    const now = this.#options.machine.memory(true); // somebody may have been unloaded for it just before
    const plan = planLoad(this.#demand(home, now));
    this.#loading.set(home.spec.key, plan.needBytes);
    return plan;
  }

  /** The load is over, well or not. */
  loaded(home: Home): void {
    this.#loading.delete(home.spec.key);
  }

  /** Why it would not fit even if everything that can give way were unloaded; undefined: it would. */
  tooLarge(home: Home): string | undefined {
    const evictable = this.#held(({ state }) => givesWay(state, home));
    try {
      planLoad(this.#demand(home, this.#options.machine.memory(), evictable));
      return undefined;
    } catch (error) {
      return asProxyError(error).message;
    }
  }

  /** Looks at the memory from now on as long as anything is loaded, or memory is short: nobody else would see its end. */
  watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.#cancel = this.#options.timers.after(LOOK_EVERY_MS, () => {
      this.#watching = false;
      this.#look();
      if (this.#pressure !== "normal" || this.#options.placements.list().length > 0) this.watch();
    });
  }

  close(): void {
    this.#cancel();
    this.#watching = true;
  }

  #look(): void {
    const { observer, placements } = this.#options;
    const { state } = this;
    const pressure = pressureOf(state, this.#pressure);
    if (pressure === this.#pressure) return;
    this.#pressure = pressure;
    observer.log(pressure === "normal" ? "info" : "warn", "memory pressure", {
      pressure,
      availableMiB: Math.round(state.availableBytes / 2 ** 20),
    });
    placements.pressure(pressure);
  }

  #demand(home: Home, { availableBytes, totalBytes }: MemoryState, evictableBytes = 0): LoadDemand {
    const { settings, isCompiled } = this.#options;
    const coming = [...this.#loading].reduce((sum, [key, bytes]) => (key === home.spec.key ? sum : sum + bytes), 0);
    return {
      model: home.model,
      device: home.device,
      shape: home.shape,
      parallel: home.spec.parallel,
      kvCacheBytes: settings.kvBytes,
      memory: { availableBytes: Math.max(0, availableBytes - coming) + evictableBytes, totalBytes },
      memoryLimitBytes: settings.limitBytes,
      heldBytes: Math.max(0, this.#held() - evictableBytes) + coming,
      // Only a real NPU has a compiler that takes memory of its own.
      compiled: deviceClass(home.device.name) === "NPU" && !home.device.emulated && isCompiled(home),
    };
  }

  /** What runners hold, of all placements or of some, in bytes. */
  #held(of: (placement: Listed) => boolean = () => true): number {
    return this.#options.placements
      .list()
      .filter(of)
      .reduce((sum, { engine }) => sum + (engine?.stats?.memoryBytes ?? engine?.info.memoryBytes ?? 0), 0);
  }
}

/** Whether a placement is unloaded before this home is loaded, where that needs its memory. */
function givesWay({ spec, phase, running, waiting }: PlacementState, home: Home): boolean {
  if (spec.pinned) return false;
  const idle = phase === "ready" && running + waiting === 0;
  return idle || (spec.exclusive && home.spec.exclusive && spec.device === home.spec.device); // it leaves the NPU in any case
}
