import { Hono } from "hono";
import { asProxyError } from "../core/errors.ts";
import { type DeviceInfo, deviceClass, type EngineStats } from "../core/request.ts";
import { deviceLabel } from "./device.ts";
import type { ServerEnv } from "./exchange.ts";
import type { ServerOptions } from "./options.ts";

/** /health: the daemon, what it found and what it loaded; /health/devices: the devices in detail. No local path in either. */
export function systemRoutes(options: Required<ServerOptions>): Hono<ServerEnv> {
  const { runtime, version } = options;
  const app = new Hono<ServerEnv>();

  app.get("/health", async (c) => {
    const { devices, error } = await probe(c.req.raw.signal);
    const has = (name: string) => devices.some((device) => deviceClass(device.name) === name);
    return c.json({
      status: "healthy",
      version,
      devices: devices.map(deviceLabel),
      npu_available: has("NPU"),
      gpu_available: has("GPU"),
      cpu_available: has("CPU"),
      ...(error && { device_probe_error: error }),
      models: runtime.placements().map((placement) => ({
        name: placement.model.name,
        device: deviceLabel(placement.device),
        context_length: placement.contextLength,
        memory_bytes: placement.memoryBytes,
        running: placement.running,
        engine: placement.stats && engineStats(placement.stats),
      })),
    });
  });

  app.get("/health/devices", async (c) => {
    const { devices, error } = await probe(c.req.raw.signal);
    return c.json({
      available_devices: devices.map((device) => device.name),
      devices: devices.map((device) => ({
        name: device.name,
        label: deviceLabel(device),
        full_name: device.fullName,
        emulated: device.emulated,
        architecture: device.architecture,
        driver: device.driver,
        precisions: device.precisions,
      })),
      ...(error && { device_probe_error: error }),
    });
  });

  /** A machine whose devices cannot be told still has a healthy daemon: it says what went wrong. */
  async function probe(signal: AbortSignal): Promise<{ devices: readonly DeviceInfo[]; error?: string }> {
    try {
      return { devices: await runtime.devices(signal) };
    } catch (thrown) {
      return { devices: [], error: asProxyError(thrown).message };
    }
  }

  return app;
}

function engineStats(stats: EngineStats) {
  return {
    running: stats.running,
    waiting: stats.waiting,
    kv_blocks_reserved: stats.reservedBlocks,
    kv_blocks: stats.maxBlocks,
    kv_cache_usage: stats.cacheUsage,
    prefix_reusable_prompt_tokens: stats.reusablePromptTokens,
    steps: stats.steps,
    step_ns: Math.round(stats.stepNs),
  };
}
