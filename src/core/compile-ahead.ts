/** Compiling a model before anybody asks it: on an NPU that takes minutes, which its first request would wait for. */

import type { Model } from "./model.ts";
import type { Runtime } from "./ports.ts";
import { type Device, deviceClass } from "./request.ts";

type CompilingRuntime = Pick<Runtime, "models" | "devices" | "state" | "load">;

/**
 * Loads a model where requests will try it first, which compiles it and keeps what was compiled; it is unloaded again
 * unless somebody came meanwhile. Does nothing where that is the CPU, which compiles nothing, where no device fits, and where
 * the devices cannot be told.
 * @param starting called with the device before it is loaded there
 * @returns that device; undefined: there was nothing to do
 * @throws ProxyError model_not_found, model_invalid, what loading throws
 */
export async function compileAhead(
  runtime: CompilingRuntime,
  name: string,
  starting: (device: Device) => void,
  signal: AbortSignal,
): Promise<Device | undefined> {
  const model = await runtime.models.get(name);
  try {
    await runtime.devices(signal);
  } catch {
    signal.throwIfAborted();
    return undefined; // a machine that can pull and not run
  }
  const device = runtime.state().fallbackChain.find((one) => fits(model, one));
  if (device === undefined || deviceClass(device) === "CPU") return undefined;
  starting(device);
  await runtime.load({ model: name, device, keepAliveMs: 0 }, signal);
  return device;
}

function fits({ capabilities, fitness }: Model, device: Device): boolean {
  const verdict = fitness.find((one) => one.device === deviceClass(device));
  return capabilities.includes("completion") && (verdict?.fits ?? false);
}
