/** The devices of this machine: found when first asked for, remembered, found anew on demand and after a loss. */
import type { EngineHost } from "./ports.ts";
import type { DeviceInfo } from "./request.ts";
import { unlessAborted } from "./unless-aborted.ts";

export class DeviceList {
  readonly #engines: Pick<EngineHost, "devices">;
  /** The daemon's: a probe is shared, and each caller leaves by its own signal. */
  readonly #ending: AbortSignal;
  #probe: Promise<readonly DeviceInfo[]> | undefined;
  #probing = false;
  #found: readonly DeviceInfo[] = [];

  constructor(engines: Pick<EngineHost, "devices">, ending: AbortSignal) {
    this.#engines = engines;
    this.#ending = ending;
  }

  /** As found last; empty before that. */
  get found(): readonly DeviceInfo[] {
    return this.#found;
  }

  /**
   * While the drivers are asked again, what they said before serves: one that hangs must not hold up requests.
   * @throws ProxyError what the probe throws; the next caller asks again
   */
  async get(signal: AbortSignal, refresh = false): Promise<readonly DeviceInfo[]> {
    signal.throwIfAborted();
    if (!refresh && this.#found.length > 0) return this.#found;
    if (!this.#probe || (refresh && !this.#probing)) this.#probe = this.#ask();
    return await unlessAborted(this.#probe, signal);
  }

  async #ask(): Promise<readonly DeviceInfo[]> {
    this.#probing = true;
    try {
      this.#found = await this.#engines.devices(this.#ending);
      return this.#found;
    } catch (error) {
      this.#probe = undefined;
      throw error;
    } finally {
      this.#probing = false;
    }
  }

  /** Asks the drivers again, in the background: a device may be gone. */
  suspect(): void {
    this.get(this.#ending, true).catch(() => undefined);
  }
}
