/**
 * What a device's compiler made of a model is kept and loaded again: on an NPU that is seconds in the place of minutes.
 * OpenVINO writes and reads the blobs (CACHE_DIR); here is where, for how long, and what happens when one is bad.
 */
import pins from "../../build/pins.json";
import { type CompiledOrigin, surplus } from "../core/compiled.ts";
import { asProxyError, type ErrorCode } from "../core/errors.ts";
import type { Model } from "../core/model.ts";
import type { Engine, Observer } from "../core/ports.ts";
import { type DeviceInfo, deviceClass } from "../core/request.ts";
import type { Shape } from "../core/routing/limits.ts";
import type { CompiledFolder } from "./compiled-folder.ts";

export interface CompileCacheOptions {
  readonly folder: CompiledFolder;
  /** Most bytes of all that is kept; 0: nothing is. */
  readonly mostBytes: number;
  readonly observer: Observer;
  /** The OpenVINO that compiles. */
  readonly openvino?: string;
}

/** A model on a device in a shape. */
export interface Compilation {
  readonly model: Pick<Model, "name" | "digest">;
  readonly device: DeviceInfo;
  readonly shape: Shape;
}

/** How a load fails where its blob may be the reason; where a device is missing or memory is short it is not. */
const SUSPECT: ReadonlySet<ErrorCode> = new Set([
  "model_not_loaded",
  "model_unfit",
  "runtime_failed",
  "runner_crashed",
  "inference_failed",
  "load_timeout",
]);

export class CompileCache {
  readonly #folder: CompiledFolder;
  readonly #mostBytes: number;
  readonly #observer: Observer;
  readonly #openvino: string;

  constructor({ folder, mostBytes, observer, openvino = pins.openvino }: CompileCacheOptions) {
    this.#folder = folder;
    this.#mostBytes = mostBytes;
    this.#observer = observer;
    this.#openvino = openvino;
  }

  /** Whether its load will compile nothing. */
  holds(compilation: Compilation): boolean {
    return this.#keeps(compilation) && this.#folder.holds(this.#origin(compilation));
  }

  /**
   * Loads with the folder for this compilation's blobs; undefined where there is none: compiling anew is slow and no error.
   * Where it held blobs and the load fails in a way that they may be the reason of, they are removed and it is loaded once
   * more (not after a timeout: whoever waits has waited long enough).
   * @throws what `load` throws
   */
  async load<Loaded extends Pick<Engine, "closed">>(
    compilation: Compilation,
    load: (folder: string | undefined) => Promise<Loaded>,
  ): Promise<Loaded> {
    if (!this.#keeps(compilation)) return await load(undefined);
    const origin = this.#origin(compilation);
    const use = await this.#folder.use(origin);
    if (!use) return await load(undefined);
    try {
      const loaded = await load(use.path);
      void loaded.closed.then(use.end, use.end);
      // Before anybody may end this process: what nobody vouches for is compiled anew.
      await use.keep();
      void this.#shrink();
      return loaded;
    } catch (thrown) {
      use.end();
      const { code } = asProxyError(thrown);
      if (!use.held || !SUSPECT.has(code)) throw thrown;
      const { model, device } = origin;
      this.#observer.log("warn", "load with a compiled model failed; it is compiled anew", { model, device, code });
      const gone = await use.discard();
      if (code === "load_timeout") throw thrown;
      return gone ? await this.load(compilation, load) : await load(undefined);
    }
  }

  /** Keeps the folder within its bound. */
  async #shrink(): Promise<void> {
    for (const { key, origin, bytes } of surplus(await this.#folder.list(), this.#mostBytes))
      if (await this.#folder.remove(key))
        this.#observer.log("info", "compiled model removed", { model: origin?.model, device: origin?.device, bytes });
  }

  /** Compiling for a CPU takes no longer than reading a blob would. */
  #keeps({ device }: Compilation): boolean {
    return this.#mostBytes > 0 && deviceClass(device.name) !== "CPU";
  }

  #origin({ model, device, shape }: Compilation): CompiledOrigin {
    return {
      model: model.name,
      digest: model.digest,
      device: device.name,
      architecture: device.architecture ?? "",
      driver: device.driver ?? "",
      emulated: device.emulated,
      ...shape,
      openvino: this.#openvino,
    };
  }
}
