/** Memory while the daemon runs: what a load may take, and when what is loaded has to give way. */
import { asProxyError } from "../errors.ts";
import type { Home } from "../home.ts";
import type { Machine, Observer, Timers } from "../ports.ts";
import { deviceClass } from "../request.ts";
import type { Placements } from "../scheduling/placements.ts";
import type { Pressure } from "../scheduling/schedule.ts";
import { type PlannedLoad, planLoad, pressureOf, withinLimit } from "./memory.ts";

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

  /** How a placement is loaded now. @throws ProxyError insufficient_memory, with the numbers */
  plan(home: Home): PlannedLoad {
    const plan = planLoad(this.#demand(home, 0));
    this.#loading.set(home.spec.key, plan.needBytes);
    return plan;
  }

  /** The load is over, well or not. */
  loaded(home: Home): void {
    this.#loading.delete(home.spec.key);
  }

  /** Why it would not fit even if everything idle were unloaded; undefined: it would. */
  tooLarge(home: Home): string | undefined {
    const evictable = this.#options.placements
      .list()
      .filter(({ state }) => state.phase === "ready" && state.running + state.waiting === 0 && !state.spec.pinned)
      .reduce((sum, { engine }) => sum + (engine?.stats?.memoryBytes ?? engine?.info.memoryBytes ?? 0), 0);
    try {
      planLoad(this.#demand(home, evictable));
      return undefined;
    } catch (error) {
      return asProxyError(error).message;
    }
  }

  /** Looks at the memory from now on as long as anything is loaded. */
  watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.#cancel = this.#options.timers.after(LOOK_EVERY_MS, () => {
      this.#watching = false;
      this.#look();
      if (this.#options.placements.list().length > 0) this.watch();
    });
  }

  close(): void {
    this.#cancel();
    this.#watching = true;
  }

  #look(): void {
    const { machine, settings, observer, placements } = this.#options;
    const memory = withinLimit(machine.memory(), settings.limitBytes, this.#held());
    const pressure = pressureOf(memory, this.#pressure);
    if (pressure === this.#pressure) return;
    this.#pressure = pressure;
    observer.log(pressure === "normal" ? "info" : "warn", "memory pressure", {
      pressure,
      availableMiB: Math.round(memory.availableBytes / 2 ** 20),
    });
    placements.pressure(pressure);
  }

  #demand(home: Home, evictableBytes: number): Parameters<typeof planLoad>[0] {
    const { machine, settings, isCompiled } = this.#options;
    const { availableBytes, totalBytes } = machine.memory();
    const coming = [...this.#loading].reduce((sum, [key, bytes]) => (key === home.spec.key ? sum : sum + bytes), 0);
    return {
      model: home.model,
      device: home.device,
      shape: home.shape,
      parallel: home.spec.parallel,
      kvCacheBytes: settings.kvBytes,
      memory: { availableBytes: Math.max(0, availableBytes - coming) + evictableBytes, totalBytes },
      memoryLimitBytes: settings.limitBytes,
      heldBytes: Math.max(0, this.#held() - evictableBytes),
      // Only a real NPU has a compiler that takes memory of its own.
      compiled: deviceClass(home.device.name) === "NPU" && !home.device.emulated && isCompiled(home),
    };
  }

  #held(): number {
    return this.#options.placements
      .list()
      .reduce((sum, { engine }) => sum + (engine?.stats?.memoryBytes ?? engine?.info.memoryBytes ?? 0), 0);
  }
}
