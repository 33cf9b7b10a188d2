/** Questions for the router, by the README's default settings, and its answers in short. */
import { ProxyError } from "../../src/core/errors.ts";
import type { Device } from "../../src/core/request.ts";
import type { Limits } from "../../src/core/routing/limits.ts";
import type { DeviceState, RouteQuestion, RouteSettings } from "../../src/core/routing/route.ts";
import { route } from "../../src/core/routing/router.ts";

export const LIMITS: Limits = { tokenLimit: 1800, maxPromptTokens: 4096, minResponseTokens: 256, maxOutput: 8192 };

export function settingsWith(changes: Partial<RouteSettings> = {}): RouteSettings {
  return {
    device: "auto",
    preferred: "NPU",
    fallback: "auto",
    policy: "context",
    npuQueue: 8,
    limits: LIMITS,
    ...changes,
  };
}

/** Loaded, idle, healthy and never measured, unless told otherwise. */
export function deviceState(name: Device, changes: Partial<Omit<DeviceState, "device">> = {}): DeviceState {
  return {
    device: { name, fullName: name, emulated: false },
    loaded: true,
    running: 0,
    waiting: 0,
    occupied: false,
    circuit: "closed",
    tooLarge: undefined,
    unfit: undefined,
    speed: undefined,
    loadMs: undefined,
    ...changes,
  };
}

/** A short prompt to a model of 8192 tokens, on a machine with CPU, GPU and NPU. */
export function questionWith(changes: Partial<RouteQuestion> = {}): RouteQuestion {
  return {
    promptTokens: 100,
    outputTokens: undefined,
    contextLength: 8192,
    modelContextLength: 8192,
    needs: [],
    wish: undefined,
    fitness: [],
    devices: ["CPU", "GPU", "NPU"].map((name) => deviceState(name)),
    ...changes,
  };
}

/** "NPU within_npu_limit, GPU npu_unavailable, CPU npu_unavailable" */
export function routes(question: Partial<RouteQuestion> = {}, settings: Partial<RouteSettings> = {}): string {
  const { candidates } = route(questionWith(question), settingsWith(settings));
  return candidates.map(({ device, reason }) => `${device.name} ${reason}`).join(", ");
}

/** The error that the router answers with. */
export function refusal(question: Partial<RouteQuestion>, settings: Partial<RouteSettings> = {}): ProxyError {
  try {
    route(questionWith(question), settingsWith(settings));
  } catch (error) {
    if (error instanceof ProxyError) return error;
  }
  throw new Error("expected a ProxyError");
}

/** A machine with these devices; the changes are by name. */
export function machine(
  names: string,
  changes: Readonly<Record<string, Partial<Omit<DeviceState, "device">>>> = {},
): readonly DeviceState[] {
  return names.split(" ").map((name) => deviceState(name, changes[name]));
}
