/** What is remembered of models on devices, across restarts where there is a state folder. src/state implements it. */
import type { Device } from "./request.ts";
import type { Speed } from "./speed.ts";

/** A model's files (by digest) on a device. */
export interface Pairing {
  /** 64 hex digits. */
  readonly digest: string;
  readonly device: Device;
}

export interface LoadRecord {
  /** How long the load took, in ms. */
  readonly ms: number;
  /** Resident memory of the runner after it, in bytes. */
  readonly memoryBytes: number;
}

/** Never throws: what cannot be kept is measured again. Reading is from memory and takes no time. */
export interface Records {
  speed(pairing: Pairing): Speed | undefined;
  keepSpeed(pairing: Pairing, speed: Speed): void;
  lastLoad(pairing: Pairing): LoadRecord | undefined;
  keepLoad(pairing: Pairing, load: LoadRecord): void;
  /** Why the load-time probe found the model wrong on this device; undefined: it did not. */
  unfit(pairing: Pairing): string | undefined;
  markUnfit(pairing: Pairing, reason: string): void;
  /** Forgets the verdicts of a device whose driver changed, or of all. */
  forgetUnfit(device?: Device): void;
}

/** Records that end with the process. */
export function volatileRecords(): Records {
  const speeds = new Map<string, Speed>();
  const loads = new Map<string, LoadRecord>();
  const verdicts = new Map<string, { readonly device: Device; readonly reason: string }>();
  const key = ({ digest, device }: Pairing): string => `${digest}@${device}`;
  return {
    speed: (pairing) => speeds.get(key(pairing)),
    keepSpeed: (pairing, speed) => void speeds.set(key(pairing), speed),
    lastLoad: (pairing) => loads.get(key(pairing)),
    keepLoad: (pairing, load) => void loads.set(key(pairing), load),
    unfit: (pairing) => verdicts.get(key(pairing))?.reason,
    markUnfit: (pairing, reason) => void verdicts.set(key(pairing), { device: pairing.device, reason }),
    forgetUnfit(device) {
      for (const [name, verdict] of verdicts)
        if (device === undefined || verdict.device === device) verdicts.delete(name);
    },
  };
}
