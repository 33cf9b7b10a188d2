/** Which devices a request may run on, best first, and why. Pure. */
import { ProxyError } from "./errors.ts";
import type { RouteReason } from "./ports.ts";
import { type Device, type DeviceInfo, deviceClass } from "./request.ts";

export interface Candidate {
  readonly device: DeviceInfo;
  readonly reason: RouteReason;
}

/**
 * 1. A fixed device (setting) is the only candidate.
 * 2. Otherwise NPU, then GPU, then CPU, of those that the machine has. Whoever runs a request behind the NPU does so
 *    because the NPU was not there or failed; the runtime says `prompt_exceeds_npu_limit` where the NPU's limit was why.
 * @throws ProxyError device_unavailable
 */
export function candidates(wanted: Device | "auto", devices: readonly DeviceInfo[]): readonly Candidate[] {
  if (wanted !== "auto") {
    const device = find(wanted, devices);
    if (!device)
      throw new ProxyError(
        "device_unavailable",
        `The device ${wanted} is set, but this machine offers ${devices.map((d) => d.name).join(", ") || "none"}. ` +
          "Set NPU_PROXY_DEVICE to one of those or to auto.",
      );
    return [{ device, reason: "fixed" }];
  }
  const npu = find("NPU", devices);
  const others = ["GPU", "CPU"].flatMap((name) => find(name, devices) ?? []);
  return [
    ...(npu ? [{ device: npu, reason: "within_npu_limit" } as const] : []),
    ...others.map((device) => ({ device, reason: "npu_unavailable" }) as const),
  ];
}

/** By exact name, else the first of that class ("GPU" finds "GPU.0"). */
function find(name: Device, devices: readonly DeviceInfo[]): DeviceInfo | undefined {
  const wanted = name.toUpperCase();
  return (
    devices.find((device) => device.name.toUpperCase() === wanted) ??
    (wanted.includes(".") ? undefined : devices.find((device) => deviceClass(device.name) === wanted))
  );
}
