/** What the server remembers of models on devices across restarts: core's Records over a database in the state folder. */
import { mkdirSync } from "node:fs";
import { ProxyError } from "../core/errors.ts";
import type { Observer } from "../core/ports.ts";
import type { LoadRecord, Pairing, Records } from "../core/records.ts";
import type { Device, DeviceInfo } from "../core/request.ts";
import type { Speed } from "../core/speed.ts";
import { type Opened, openDatabase, reasonOf } from "./database.ts";
import { KeptEmbeddings } from "./kept-embeddings.ts";
import { lockFolder } from "./lock.ts";
import type { Known, PairingTable } from "./pairing-table.ts";

export interface StateOptions {
  readonly folder: string;
  readonly observer: Observer;
  /** Of npu-proxy: another one brings another OpenVINO. */
  readonly version: string;
  /** How long a change may wait for others to be written with, in ms: as much is lost at kill -9. */
  readonly writeDelayMs?: number;
}

export interface State extends Records {
  /** Embeddings of earlier servers, and a place for those of this one. */
  readonly embeddings: KeptEmbeddings;
  /**
   * The devices that were found. What is known of one whose driver, hardware or npu-proxy changed is forgotten: it is
   * measured anew, and models that it got wrong have a new chance.
   */
  found(devices: readonly DeviceInfo[]): void;
  /** Writes what is not written yet; another server may have the folder then. */
  close(): void;
}

/**
 * Locks the state folder and reads what it holds; from then on reading is from memory, and writing happens in the
 * background. A folder that cannot be used is told once in the log, and then nothing is kept.
 * @throws ProxyError state_locked where another server has the folder
 */
export function openState({ folder, observer, version, writeDelayMs = 2000 }: StateOptions): State {
  let lock: Disposable | undefined;
  let opened: Opened | undefined;
  try {
    mkdirSync(folder, { recursive: true });
    lock = lockFolder(folder);
    opened = openDatabase(folder, observer);
  } catch (error) {
    if (error instanceof ProxyError) throw error;
    observer.log("warn", "the state folder cannot be used: set NPU_PROXY_STATE_DIR to one that can be written to", {
      reason: reasonOf(error),
    });
  }
  return new KeptState({ lock, opened, observer, version, writeDelayMs });
}

interface Kept extends Omit<StateOptions, "folder"> {
  readonly lock: Disposable | undefined;
  readonly opened: Opened | undefined;
  readonly writeDelayMs: number;
}

class KeptState implements State {
  readonly embeddings: KeptEmbeddings;
  readonly #kept: Kept;
  /** Undefined: nothing is written. */
  #table: PairingTable | undefined;
  readonly #known: Map<string, Known>;
  readonly #stamps: Map<Device, string>;
  /** A pairing without anything known of it is one that was forgotten. */
  readonly #unwritten = { pairings: new Map<string, Known>(), stamps: new Map<Device, string>() };
  #timer: NodeJS.Timeout | undefined;
  #failing = false;

  constructor(kept: Kept) {
    this.#kept = kept;
    this.#table = kept.opened?.table;
    const { observer, writeDelayMs } = kept;
    this.embeddings = new KeptEmbeddings({ table: kept.opened?.embeddings, observer, writeDelayMs });
    this.#known = new Map(kept.opened?.known.map((known) => [keyOf(known), known]));
    this.#stamps = new Map(kept.opened?.stamps);
  }

  speed(pairing: Pairing): Speed | undefined {
    return this.#known.get(keyOf(pairing))?.speed;
  }

  keepSpeed(pairing: Pairing, speed: Speed): void {
    this.#keep(pairing, { speed });
  }

  lastLoad(pairing: Pairing): LoadRecord | undefined {
    return this.#known.get(keyOf(pairing))?.load;
  }

  keepLoad(pairing: Pairing, load: LoadRecord): void {
    this.#keep(pairing, { load });
  }

  unfit(pairing: Pairing): string | undefined {
    return this.#known.get(keyOf(pairing))?.unfit;
  }

  markUnfit(pairing: Pairing, reason: string): void {
    this.#keep(pairing, { unfit: reason });
  }

  forgetUnfit(device?: Device): void {
    for (const known of this.#known.values())
      if (known.unfit !== undefined && (device === undefined || known.device === device))
        this.#keep(known, { unfit: undefined });
  }

  found(devices: readonly DeviceInfo[]): void {
    for (const { name, fullName, driver, emulated } of devices) {
      const stamp = JSON.stringify([this.#kept.version, fullName, driver ?? "", emulated]);
      if (this.#stamps.get(name) === stamp) continue;
      this.#stamps.set(name, stamp);
      this.#unwritten.stamps.set(name, stamp);
      for (const [key, known] of this.#known) {
        if (known.device !== name) continue;
        this.#known.delete(key);
        this.#unwritten.pairings.set(key, { digest: known.digest, device: name });
      }
      this.#writeSoon();
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#write();
    this.embeddings.close();
    this.#table?.close();
    this.#table = undefined;
    this.#kept.lock?.[Symbol.dispose]();
  }

  #keep({ digest, device }: Pairing, part: Partial<Known>): void {
    const key = keyOf({ digest, device });
    const known = { ...this.#known.get(key), digest, device, ...part };
    this.#known.set(key, known);
    this.#unwritten.pairings.set(key, known);
    this.#writeSoon();
  }

  #writeSoon(): void {
    if (!this.#table || this.#timer) return;
    this.#timer = setTimeout(() => this.#write(), this.#kept.writeDelayMs);
    this.#timer.unref();
  }

  /** What cannot be written stays in memory and goes along with the next change. */
  #write(): void {
    this.#timer = undefined;
    const { pairings, stamps } = this.#unwritten;
    if (pairings.size + stamps.size === 0) return;
    try {
      this.#table?.write(pairings.values(), stamps);
      pairings.clear();
      stamps.clear();
      this.#failing = false;
    } catch (error) {
      const reason = reasonOf(error);
      if (!this.#failing)
        this.#kept.observer.log("warn", "state not written: it stays in memory and is tried again", { reason });
      this.#failing = true;
    }
  }
}

function keyOf({ digest, device }: Pairing): string {
  return `${digest}@${device}`;
}
