import type { Answer } from "../core/ports.ts";
import { deviceClass } from "../core/request.ts";

/** The headers that tell where an answer is computed and why, as far as that is settled now. */
export function placeHeaders({
  device,
  routed,
  reason,
  promptTokens,
}: Pick<Answer, "device" | "routed" | "reason"> & { readonly promptTokens?: number }): Readonly<
  Record<string, string>
> {
  const executed = deviceClass(device.name);
  return {
    "X-NPU-Proxy-Device": executed,
    "X-NPU-Proxy-Execution-Device": executed,
    "X-NPU-Proxy-Routed-Device": deviceClass(routed.name),
    "X-NPU-Proxy-Route-Reason": reason,
    ...(promptTokens !== undefined && { "X-NPU-Proxy-Token-Count": String(promptTokens) }),
    ...(device.name !== routed.name && {
      "X-NPU-Proxy-Fallback-Reason": reason === "npu_busy" ? "busy" : "device_fallback",
    }),
  };
}
