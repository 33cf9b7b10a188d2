/** A model, a device, and how it is loaded there. */

import type { Model } from "./model.ts";
import { isEncoder } from "./placed-engine.ts";
import type { Pairing } from "./records.ts";
import { type Device, type DeviceInfo, deviceClass } from "./request.ts";
import type { Shape } from "./routing/limits.ts";
import type { PlacementSpec } from "./scheduling/schedule.ts";

export interface Home {
  readonly spec: PlacementSpec;
  readonly model: Model;
  readonly device: DeviceInfo;
  readonly shape: Shape;
}

/** A placement's key: one for each model, revision of its files and device. */
export function keyOf(model: Pick<Model, "name" | "digest">, device: DeviceInfo): string {
  return `${model.name}@${model.digest}@${device.name}`;
}

/** A key's model and device. */
export function keyParts(key: string): { readonly model: string; readonly device: Device } {
  const [, model = "", device = ""] = /^(.*)@[^@]*@([^@]*)$/.exec(key) ?? [];
  return { model, device };
}

export function pairingOf({ digest }: Pick<Model, "digest">, { name }: DeviceInfo): Pairing {
  return { digest, device: name };
}

/** An NPU does one language model and one request of it at a time; encoders run beside it. */
export function isExclusive(model: Pick<Model, "kind">, device: DeviceInfo): boolean {
  return deviceClass(device.name) === "NPU" && !isEncoder(model);
}
