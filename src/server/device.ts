import type { DeviceInfo } from "../core/request.ts";

/** A device as people read it: an emulated NPU is never shown as a real one. */
export function deviceLabel(device: DeviceInfo): string {
  return device.emulated ? `${device.name} (emulated on CPU)` : device.name;
}
