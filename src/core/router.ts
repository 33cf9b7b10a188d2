/** Which devices a request may run on, best first, and why. Pure. */
import { ProxyError } from "./errors.ts";
import { type Limits, misfit, shapeOn } from "./limits.ts";
import type { RouteReason, Shape } from "./ports.ts";
import { type Device, type DeviceInfo, deviceClass } from "./request.ts";

export interface Candidate {
  readonly device: DeviceInfo;
  readonly reason: RouteReason;
  readonly shape: Shape;
}

export interface Demand {
  readonly promptTokens: number;
  /** Most tokens of the answer; undefined: the client named none. */
  readonly outputTokens: number | undefined;
  /** The model's own, in tokens. */
  readonly contextLength: number;
}

/**
 * 1. A fixed device (setting) is the only candidate.
 * 2. The NPU comes first when the prompt is within the routing limit and the static shape, and prompt + asked output fit.
 * 3. GPU, then CPU, for the reason that kept the request from the NPU.
 * @throws ProxyError device_error
 */
export function candidates(
  wanted: Device | "auto",
  devices: readonly DeviceInfo[],
  limits: Limits,
  demand: Demand,
): readonly Candidate[] {
  const on = (device: DeviceInfo, reason: RouteReason): Candidate => ({
    device,
    reason,
    shape: shapeOn(device.name, demand.contextLength, limits),
  });
  if (wanted !== "auto") {
    const device = find(wanted, devices);
    if (!device)
      throw new ProxyError(
        "device_error",
        `The device ${wanted} is set, but this machine offers ${devices.map((d) => d.name).join(", ") || "none"}. ` +
          "Set NPU_PROXY_DEVICE to one of those or to auto.",
      );
    return [on(device, "fixed")];
  }
  const npu = find("NPU", devices);
  const reason = npu ? npuReason(on(npu, "within_npu_limit").shape, limits, demand) : "npu_unavailable";
  const others = ["GPU", "CPU"].flatMap((name) => find(name, devices) ?? []);
  return npu && reason === "within_npu_limit"
    ? [on(npu, reason), ...others.map((device) => on(device, "npu_unavailable"))]
    : others.map((device) => on(device, reason));
}

function npuReason(shape: Shape, limits: Limits, { promptTokens, outputTokens }: Demand): RouteReason {
  if (promptTokens > limits.tokenLimit) return "prompt_exceeds_npu_limit";
  const bad = misfit(shape, promptTokens, outputTokens);
  return bad ? `${bad}_exceeds_npu_limit` : "within_npu_limit";
}

/** By exact name, else the first of that class ("GPU" finds "GPU.0"). */
function find(name: Device, devices: readonly DeviceInfo[]): DeviceInfo | undefined {
  const wanted = name.toUpperCase();
  return (
    devices.find((device) => device.name.toUpperCase() === wanted) ??
    (wanted.includes(".") ? undefined : devices.find((device) => deviceClass(device.name) === wanted))
  );
}
