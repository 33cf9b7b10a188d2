import { describe, expect, test } from "bun:test";
import type { DeviceState, RouteQuestion, RouteSettings } from "../../src/core/routing/route.ts";
import { route } from "../../src/core/routing/router.ts";
import { machine, questionWith, refusal, routes, settingsWith } from "../support/route-question.ts";

describe("one device only", () => {
  test("the setting beats the wish", () => {
    expect(routes({ wish: "NPU" }, { device: "CPU" })).toBe("CPU fixed");
    expect(routes({ wish: "CPU" }, { policy: "fixed" })).toBe("NPU fixed");
    expect(routes({}, { policy: "fixed", preferred: "GPU", device: "CPU" })).toBe("CPU fixed");
  });

  test("the caller's wish", () => {
    expect(routes({ wish: "CPU" })).toBe("CPU requested");
    expect(routes({ wish: "NPU" })).toBe("NPU requested");
    expect(routes({ wish: "GPU", devices: machine("CPU GPU.0 GPU.1") })).toBe("GPU.0 requested");
    expect(routes({ wish: "gpu.1", devices: machine("CPU GPU.0 GPU.1") })).toBe("GPU.1 requested");
  });

  test("that is not there is refused with those that are, and what to do", () => {
    const missing = (wish: string | undefined, settings: Partial<RouteSettings>): [string, unknown, string] => {
      const { code, availableDevices, message } = refusal({ wish, devices: machine("CPU GPU.0") }, settings);
      return [code, availableDevices, message];
    };
    const there = ["CPU", "GPU.0"];
    expect(missing("NPU", {})).toEqual(["device_error", there, expect.stringContaining("Ask for one of those")]);
    expect(missing("GPU.1", {})).toEqual(["device_error", there, expect.stringContaining("offers CPU, GPU.0")]);
    expect(missing("CPU", { device: "NPU" })).toEqual([
      "device_error",
      there,
      expect.stringContaining("Set NPU_PROXY_DEVICE to one of those or to auto."),
    ]);
    expect(missing(undefined, { policy: "fixed" })).toEqual([
      "device_error",
      there,
      expect.stringContaining("Set NPU_PROXY_PREFERRED_DEVICE"),
    ]);
  });

  test("takes prompts up to its shape, whatever the routing threshold; a longer answer is cut", () => {
    const most = (promptTokens: number, outputTokens?: number): number | undefined =>
      route(questionWith({ wish: "NPU", promptTokens, outputTokens }), settingsWith()).candidates[0].maxTokens;
    expect([most(1801), most(4096), most(100, 100_000)]).toEqual([2550, 255, 4251]);
    const error = refusal({ wish: "NPU", promptTokens: 4097 });
    expect([error.code, error.message]).toEqual([
      "context_length_exceeded",
      expect.stringContaining("The prompt has 4097 tokens and this model on NPU takes at most 4096."),
    ]);
    expect(refusal({ promptTokens: 8192 }, { device: "CPU" }).message).toContain("8192 tokens");
  });

  test("is waited for when it is busy, and refused when it is out of order", () => {
    const on = (changes: Partial<DeviceState>) => ({ wish: "NPU", devices: machine("CPU NPU", { NPU: changes }) });
    expect(routes(on({ occupied: true, waiting: 99 }))).toBe("NPU requested");
    expect(refusal(on({ circuit: "open" }))).toMatchObject({
      code: "device_error",
      availableDevices: ["CPU", "NPU"],
    });
    expect(refusal(on({ tooLarge: "It needs 2 GiB." })).code).toBe("insufficient_memory");
    expect(route(questionWith(on({ occupied: true })), settingsWith()).wantsNpu).toBeFalse();
  });
});

describe("the policy latency", () => {
  const speed = (tokensPerSecond: number) => ({
    promptTokensPerSecond: 10 * tokensPerSecond,
    tokensPerSecond,
    samples: 5,
  });
  const latency = (
    changes: Readonly<Record<string, Partial<DeviceState>>>,
    question: Partial<RouteQuestion> = {},
  ): string => routes({ devices: machine("CPU GPU NPU", changes), ...question }, { policy: "latency" });

  test("without measurements is as context", () => {
    expect(latency({})).toBe(routes());
    expect(latency({}, { promptTokens: 1801 })).toBe("GPU prompt_exceeds_npu_limit, CPU circuit_open");
  });

  test("takes the least expected time; what was never measured comes last", () => {
    expect(latency({ CPU: { speed: speed(10) }, GPU: { speed: speed(50) }, NPU: { speed: speed(20) } })).toBe(
      "GPU fastest, NPU circuit_open, CPU npu_unavailable",
    );
    expect(latency({ CPU: { speed: speed(10) } })).toBe("CPU fastest, NPU circuit_open, GPU npu_unavailable");
    expect(latency({ NPU: { speed: speed(20) } })).toBe(
      "NPU within_npu_limit, GPU npu_unavailable, CPU npu_unavailable",
    );
  });

  test("leaves the usual reason to the first that is not passed over", () => {
    const changes = { NPU: { speed: speed(20), circuit: "open" }, GPU: { speed: speed(20) }, CPU: { speed: speed(5) } };
    expect(latency(changes as Record<string, Partial<DeviceState>>)).toBe("GPU circuit_open, CPU circuit_open");
  });

  test("counts what is ahead, and the load", () => {
    // 100 prompt tokens and 90 of answer at 10 a second: 10 s alone
    const expected = (changes: Partial<DeviceState>, name: "CPU" | "NPU"): number | undefined => {
      const devices = machine(name, { [name]: { speed: speed(10), ...changes } });
      return route(questionWith({ devices, outputTokens: 90, wish: name }), settingsWith()).considered[0]?.expectedMs;
    };
    expect(expected({}, "NPU")).toBe(10_000);
    expect(expected({ running: 1, waiting: 2 }, "NPU")).toBe(40_000);
    expect(expected({ running: 1 }, "CPU")).toBe(10_000);
    expect(expected({ running: 4, waiting: 8 }, "CPU")).toBe(30_000);
    expect(expected({ loaded: false }, "NPU")).toBe(20_000);
    expect(expected({ loaded: false }, "CPU")).toBe(15_000);
    expect(expected({ loaded: false, loadMs: 700 }, "CPU")).toBe(10_700);
    const queued = { NPU: { speed: speed(20), running: 1 }, CPU: { speed: speed(15) } };
    expect(latency(queued)).toStartWith("CPU fastest, NPU circuit_open");
  });

  test("wants the NPU only where it would be the fastest", () => {
    const wants = (npu: number): boolean => {
      const devices = machine("CPU NPU", { NPU: { speed: speed(npu), occupied: true }, CPU: { speed: speed(10) } });
      return route(questionWith({ devices }), settingsWith({ policy: "latency" })).wantsNpu;
    };
    expect([wants(20), wants(5)]).toEqual([true, false]);
  });
});
