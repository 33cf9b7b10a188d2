/** What requests and loads teach about placements: speeds, failures, verdicts. */

import type { DeviceList } from "./device-list.ts";
import type { ProxyError } from "./errors.ts";
import { isOfLoad } from "./failure.ts";
import { type Home, keyOf, pairingOf } from "./home.ts";
import type { Model, ModelStore } from "./model.ts";
import type { PlacedEngine } from "./placed-engine.ts";
import type { Clock, Observer } from "./ports.ts";
import type { Records } from "./records.ts";
import type { DeviceInfo, Usage } from "./request.ts";
import type { Circuits } from "./scheduling/circuit.ts";
import type { Completions } from "./scheduling/completions.ts";
import { withSample } from "./speed.ts";

export interface ExperienceOptions {
  readonly clock: Clock;
  readonly observer: Observer;
  readonly records: Records;
  readonly circuits: Circuits;
  readonly completions: Completions;
  readonly devices: DeviceList;
  readonly models: Pick<ModelStore, "answered">;
  /** Whether requests wait: only then the time between two ends says how fast places become free. */
  readonly othersWait: () => boolean;
}

export class Experience {
  readonly #options: ExperienceOptions;
  /** Revisions that have answered once: the store was told. */
  readonly #answered = new Set<string>();

  constructor(options: ExperienceOptions) {
    this.#options = options;
  }

  /** A generation is complete. */
  answered(model: Model, device: DeviceInfo, usage: Usage): void {
    const { records } = this.#options;
    const pairing = pairingOf(model, device);
    records.keepSpeed(pairing, withSample(records.speed(pairing), usage));
    this.served(model, device);
  }

  /** A request was answered, whatever it asked for. */
  served(model: Model, device: DeviceInfo): void {
    const { clock, circuits, completions, models, othersWait } = this.#options;
    circuits.succeeded(keyOf(model, device));
    completions.add(clock.now(), othersWait());
    const revision = `${model.name}@${model.digest}`;
    if (!this.#answered.has(revision)) models.answered(model);
    this.#answered.add(revision);
  }

  /** The engine or its device failed under a request. A runner that ended under many is counted once, by `crashed`. */
  failed(model: Model, device: DeviceInfo, error: ProxyError): void {
    const { clock, completions, othersWait } = this.#options;
    completions.add(clock.now(), othersWait());
    if (error.code !== "runner_crashed" && error.code !== "device_lost") this.#broken(model, device, error);
  }

  /** Nothing can be said of the placement: the client left, or asked for what cannot be. */
  undecided(model: Model, device: DeviceInfo): void {
    this.#options.circuits.undecided(keyOf(model, device));
  }

  /** @param ms how long the load took */
  loaded({ model, device }: Home, engine: PlacedEngine, ms: number): void {
    this.#options.records.keepLoad(pairingOf(model, device), { ms, memoryBytes: engine.info.memoryBytes });
  }

  loadFailed({ model, device }: Home, error: ProxyError): void {
    if (error.code === "model_unfit") this.#options.records.markUnfit(pairingOf(model, device), error.message);
    else if (isOfLoad(error)) this.#broken(model, device, error);
  }

  /** A runner ended by itself; what ran on it tells of its own failure. */
  crashed({ model, device }: Home, error: ProxyError): void {
    const { code, message, detail } = error;
    const fields = { model: model.name, device: device.name, code, reason: message, detail };
    this.#options.observer.log("error", "runner ended", fields);
    this.#broken(model, device, error);
  }

  #broken(model: Model, device: DeviceInfo, { code }: ProxyError): void {
    const { clock, observer, circuits, devices } = this.#options;
    if (code === "shutting_down") return;
    if (code === "device_lost") devices.suspect();
    if (circuits.failed(keyOf(model, device), clock.now()))
      observer.log("warn", "circuit opened", { model: model.name, device: device.name, code });
  }
}
