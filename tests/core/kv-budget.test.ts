import { expect, test } from "bun:test";
import { type KvDemand, kvBlocks } from "../../src/core/kv-budget.ts";

const GIB = 2 ** 30;
/** An 8B model with grouped heads: 32 layers, 8 KV heads of 128. */
const demand: KvDemand = {
  device: "CPU",
  valuesPerToken: 32 * 8 * 128 * 2,
  contextLength: 131_072,
  modelBytes: 5 * GIB,
  availableBytes: 21 * GIB,
  wantedBytes: 0,
};
const bytesOf = (blocks: number): number => blocks * 32 * demand.valuesPerToken * 1.25;

test("the cache may take a share of the memory that the model leaves", () => {
  expect(bytesOf(kvBlocks(demand)) / GIB).toBeCloseTo(0.4 * 16, 1);
});

test("a setting overrules the share, and a machine without memory still has one block", () => {
  expect(bytesOf(kvBlocks({ ...demand, wantedBytes: 2 * GIB })) / GIB).toBeCloseTo(2, 1);
  expect(kvBlocks({ ...demand, availableBytes: 4 * GIB })).toBe(1);
});

test("a GPU's blocks are half as long and its values twice as wide", () => {
  expect(kvBlocks({ ...demand, device: "GPU" })).toBe(Math.floor((0.4 * 16 * GIB) / (16 * demand.valuesPerToken * 2)));
});

test("never more than 64 contexts, also where the model does not tell its size", () => {
  const small = { ...demand, contextLength: 4096, valuesPerToken: 100 };
  expect(kvBlocks(small)).toBe((64 * 4096) / 32);
  expect(kvBlocks({ ...small, valuesPerToken: 0 })).toBe((64 * 4096) / 32);
});
