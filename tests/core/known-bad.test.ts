import { expect, test } from "bun:test";
import { knownBad } from "../../src/core/routing/known-bad.ts";

const device = (name: string, architecture?: string) => ({
  name,
  fullName: name,
  emulated: false,
  ...(architecture !== undefined && { architecture }),
});

test("a family that is wrong on one generation of NPUs is refused there and nowhere else", () => {
  expect(knownBad({ family: "lfm2" }, device("NPU", "4000"))).toMatch(/LFM2.*wrong text/);
  expect(knownBad({ family: "lfm2_moe" }, device("NPU", "NPU.4000"))).toMatch(/LFM2/);
  expect(knownBad({ family: "lfm2" }, device("NPU", "3720"))).toBeUndefined();
  expect(knownBad({ family: "lfm2" }, device("NPU"))).toBeUndefined();
  expect(knownBad({ family: "lfm2" }, device("CPU", "4000"))).toBeUndefined();
  expect(knownBad({ family: "gemma4" }, device("NPU", "3720"))).toMatch(/Gemma 4/);
  expect(knownBad({ family: "llama" }, device("NPU", "4000"))).toBeUndefined();
});
