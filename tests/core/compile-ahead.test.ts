import { describe, expect, test } from "bun:test";
import { compileAhead } from "../../src/core/compile-ahead.ts";
import { ProxyError } from "../../src/core/errors.ts";
import type { Model } from "../../src/core/model.ts";
import { DEMO, IDLE, ScriptedRuntime } from "../support/scripted-runtime.ts";

const { signal } = new AbortController();

/** What becomes of a model that was pulled, where requests try these devices in this order. */
async function ahead(fallbackChain: readonly string[], model: Partial<Model> = {}) {
  const runtime = new ScriptedRuntime();
  runtime.now = { ...IDLE, fallbackChain };
  runtime.demo = { ...DEMO, ...model };
  const started: string[] = [];
  const device = await compileAhead(runtime, "demo", (one) => started.push(one), signal);
  return { device, started, loads: runtime.loads };
}

const only = (...fitting: readonly string[]): Partial<Model> => ({
  fitness: (["NPU", "GPU", "CPU"] as const).map((device) => ({ device, fits: fitting.includes(device), reason: "" })),
});

describe("a model that was pulled", () => {
  test.each([
    ["the first device", ["NPU", "GPU", "CPU"], {}, "NPU"],
    ["the first that it fits", ["NPU", "GPU.1", "CPU"], only("GPU", "CPU"), "GPU.1"],
    ["the fixed one", ["GPU"], {}, "GPU"],
  ])("is compiled for %s, and not kept loaded", async (_, chain, model, device) => {
    const told = await ahead(chain, model);
    expect(told).toEqual({ device, started: [device], loads: [{ model: "demo", device, keepAliveMs: 0 }] });
  });

  test.each([
    ["the CPU comes first", ["CPU"], {}],
    ["the CPU is the first that it fits", ["NPU", "CPU", "GPU"], only("CPU", "GPU")],
    ["it fits nothing", ["NPU"], only("CPU")],
    ["there is no device", [], {}],
    ["it answers nothing", ["NPU"], { capabilities: ["embedding"] }],
  ])("is not compiled where %s", async (_, chain, model) => {
    expect(await ahead(chain, model)).toEqual({ device: undefined, started: [], loads: [] });
  });

  test("is not compiled where the devices cannot be told", async () => {
    const runtime = new ScriptedRuntime();
    runtime.deviceFailure = new ProxyError("runtime_missing", "There is no runtime.");
    expect(await compileAhead(runtime, "demo", () => undefined, signal)).toBeUndefined();
    expect(runtime.loads).toEqual([]);
    const left = AbortSignal.abort(new Error("left"));
    await expect(compileAhead(runtime, "demo", () => undefined, left)).rejects.toThrow("left");
  });
});
