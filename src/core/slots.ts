/** The placements of the daemon, loading or loaded, and who uses them. */
import type { ProxyError } from "./errors.ts";
import type { Engine, Model, Observer, Placement, Shape } from "./ports.ts";
import type { DeviceInfo } from "./request.ts";

/** One for each model, revision of its files and device. */
export interface Slot {
  readonly model: Model;
  readonly device: DeviceInfo;
  readonly contextLength: number;
  readonly engine: Promise<Engine>;
  loaded: Engine | undefined;
  running: number;
  /** Requests that run on it or wait for its load. */
  claims: number;
  /** Its files were replaced or removed: it ends with its last claim. */
  retired: boolean;
  answered: boolean;
}

export class Slots {
  readonly #slots = new Map<string, Slot>();
  readonly #observer: Observer;

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  /** The placement of this model on this device, loading from now on if it was not; one of older files is retired. */
  claim(model: Model, device: DeviceInfo, shape: Shape, load: () => Promise<Engine>): Slot {
    const key = `${model.name}@${model.digest}@${device.name}`;
    const slot = this.#slots.get(key) ?? this.#add(key, model, device, shape, load);
    slot.claims++;
    return slot;
  }

  release(slot: Slot): void {
    slot.claims--;
    if (slot.retired) this.#retire(slot);
  }

  /** Ends, as soon as nobody uses them, the placements of models that are in the store no more. */
  retireAllBut(names: ReadonlySet<string>): void {
    for (const slot of this.#slots.values()) if (!names.has(slot.model.name)) this.#retire(slot);
  }

  placements(): readonly Placement[] {
    return [...this.#slots.values()].flatMap(({ model, device, contextLength, loaded, running }) =>
      loaded
        ? [
            {
              model,
              device,
              contextLength,
              running,
              memoryBytes: loaded.stats?.memoryBytes ?? loaded.info.memoryBytes,
              tuning: tuningOf(model),
              stats: loaded.stats,
            },
          ]
        : [],
    );
  }

  /** Resolves when every engine is gone. */
  async close(): Promise<void> {
    const slots = [...this.#slots.values()];
    this.#slots.clear();
    await Promise.all(slots.map(closed));
  }

  #add(key: string, model: Model, device: DeviceInfo, shape: Shape, load: () => Promise<Engine>): Slot {
    for (const slot of this.#slots.values())
      if (slot.model.name === model.name && slot.model.digest !== model.digest) this.#retire(slot);
    const { contextLength } = shape;
    const idle = { loaded: undefined, running: 0, claims: 0, retired: false, answered: false };
    const slot: Slot = { model, device, contextLength, engine: load(), ...idle };
    this.#slots.set(key, slot);
    const forget = (): void => this.#forget(slot);
    slot.engine.then(async (engine) => {
      slot.loaded = engine;
      const reason = await engine.closed;
      forget();
      if (reason) this.#logEnd(slot, reason);
    }, forget);
    return slot;
  }

  #retire(slot: Slot): void {
    slot.retired = true;
    if (slot.claims > 0) return;
    this.#forget(slot);
    void closed(slot);
  }

  #forget(slot: Slot): void {
    for (const [key, candidate] of this.#slots) if (candidate === slot) this.#slots.delete(key);
  }

  #logEnd({ model, device }: Slot, { code, message, detail }: ProxyError): void {
    const fields = { model: model.name, device: device.name, code, reason: message, detail };
    this.#observer.log("error", "runner ended", fields);
  }
}

async function closed(slot: Slot): Promise<void> {
  await slot.engine.then((engine) => engine.close()).catch(() => undefined);
}

function tuningOf({ tuning }: Model): string[] {
  return [...(tuning?.promptLookup ? ["prompt lookup"] : []), ...(tuning?.draft ? [`draft ${tuning.draft.name}`] : [])];
}
