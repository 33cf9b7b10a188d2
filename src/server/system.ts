import { type Context, Hono } from "hono";
import { asProxyError } from "../core/errors.ts";
import type { DeviceInfo } from "../core/request.ts";
import { deviceLabel } from "./device.ts";
import type { ServerEnv } from "./exchange.ts";
import { activeDevice, availability, deviceHealth, engines, placementHealth, stateHealth } from "./health.ts";
import type { ServerOptions } from "./options.ts";

/**
 * /health: the daemon, what it found and what it does; /health/devices: the devices in detail; /health/live and
 * /health/ready, and their longer names, for whoever restarts a daemon or sends it requests: they wait for nothing.
 */
export function systemRoutes(options: Required<ServerOptions>): Hono<ServerEnv> {
  const { runtime, version } = options;
  const app = new Hono<ServerEnv>();

  app.get("/health", async (c) => {
    const { devices, error } = await probe(c.req.raw.signal);
    const placements = runtime.placements();
    const state = runtime.state();
    return c.json({
      status: "healthy",
      version,
      devices: devices.map(deviceLabel),
      ...availability(devices),
      ...(error && { device_probe_error: error }),
      engines: engines(placements, state),
      models: placements.map(placementHealth),
      ...stateHealth(state),
    });
  });

  app.get("/health/devices", async (c) => {
    const { devices, error } = await probe(c.req.raw.signal, c.req.query("refresh") === "1");
    const state = runtime.state();
    return c.json({
      available_devices: devices.map((device) => device.name),
      active_device: activeDevice(runtime.placements(), state),
      fallback_chain: state.fallbackChain,
      devices: devices.map(deviceHealth),
      ...(error && { device_probe_error: error }),
    });
  });

  const live = (c: Context<ServerEnv>) => c.json({ status: "alive", alive: true, version });
  app.get("/health/live", live);
  app.get("/health/liveness", live);

  // The devices as far as they are known: whoever asks this has no time for a driver that hangs.
  const ready = (c: Context<ServerEnv>) => {
    const { notReady: reasons, fallbackChain: devices } = runtime.state();
    const ready = reasons.length === 0;
    return c.json({ status: ready ? "ready" : "not_ready", ready, reasons, devices, version }, ready ? 200 : 503);
  };
  app.get("/health/ready", ready);
  app.get("/health/readiness", ready);

  /** A machine whose devices cannot be told still has a healthy daemon: it says what went wrong. */
  async function probe(
    signal: AbortSignal,
    refresh = false,
  ): Promise<{ devices: readonly DeviceInfo[]; error?: string }> {
    try {
      return { devices: await runtime.devices(signal, refresh) };
    } catch (thrown) {
      return { devices: [], error: asProxyError(thrown).message };
    }
  }

  return app;
}
