import { describe, expect, test } from "bun:test";
import { ProxyError } from "../../src/core/errors.ts";
import { wishOf } from "../../src/core/routing/wish.ts";

const CASES: [model: string, header: string | undefined, name: string, device: string | undefined][] = [
  ["demo", undefined, "demo", undefined],
  ["demo@cpu", undefined, "demo", "CPU"],
  ["demo:latest@NPU", undefined, "demo:latest", "NPU"],
  ["org/model:tag@Gpu", undefined, "org/model:tag", "GPU"],
  ["demo@gpu.1", undefined, "demo", "GPU.1"],
  ["demo@auto", undefined, "demo", undefined],
  ["demo@main", undefined, "demo@main", undefined],
  ["demo@main@cpu", undefined, "demo@main", "CPU"],
  ["demo@cpu2", undefined, "demo@cpu2", undefined],
  ["demo@gpu.", undefined, "demo@gpu.", undefined],
  ["cpu", undefined, "cpu", undefined],
  ["demo", "npu", "demo", "NPU"],
  ["demo", " GPU.0 ", "demo", "GPU.0"],
  ["demo", "auto", "demo", undefined],
  ["demo", "", "demo", undefined],
  ["demo@cpu", "npu", "demo", "NPU"],
  ["demo@cpu", "AUTO", "demo", undefined],
  ["demo@cpu", "  ", "demo", "CPU"],
];

describe("the caller's wish", () => {
  for (const [model, header, name, device] of CASES)
    test(`of ${model}, header ${JSON.stringify(header)}`, () => {
      expect(wishOf(model, header)).toEqual({ model: name, device });
    });

  for (const header of ["tpu", "cpu, npu", "GPU.x", "x".repeat(5000), 'N"PU', "NPU.1"])
    test(`is refused for the header ${header.slice(0, 20)}`, () => {
      expect(() => wishOf("demo", header)).toThrow(ProxyError);
      try {
        wishOf("demo", header);
      } catch (error) {
        expect(error).toMatchObject({ code: "invalid_request", param: "X-NPU-Proxy-Device" });
        const { message } = error as ProxyError;
        expect(message).toMatch(/X-NPU-Proxy-Device .* Expected NPU, GPU, GPU\.n/);
        expect(message.length).toBeLessThan(300);
      }
    });
});
