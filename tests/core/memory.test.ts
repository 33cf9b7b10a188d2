import { describe, expect, test } from "bun:test";
import { ProxyError } from "../../src/core/errors.ts";
import { type LoadDemand, leastBytes, planLoad, pressureOf, withinLimit } from "../../src/core/memory/memory.ts";
import type { Pressure } from "../../src/core/scheduling/schedule.ts";

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const device = (name: string, emulated = false) => ({ name, fullName: name, emulated });
const free = (gib: number) => ({ availableBytes: gib * GIB, totalBytes: 32 * GIB });

/** An 8B model with grouped heads: 32 layers, 8 KV heads of 128. */
const VALUES = 32 * 8 * 128 * 2;
const demand: LoadDemand = {
  model: { name: "llama:8b", kind: "llm", size: 5 * GIB, format: "openvino", kvValuesPerToken: VALUES },
  device: device("CPU"),
  shape: { maxPromptTokens: 8191, contextLength: 8192 },
  parallel: 32,
  kvCacheBytes: 0,
  memory: free(22),
  memoryLimitBytes: 0,
  heldBytes: 0,
  compiled: false,
};
/** What the weights and the process take on the CPU. */
const FIXED = 5 * GIB * 1.2 + 256 * MIB;
const cacheBytes = (given: LoadDemand, valueBytes = 1.25): number =>
  (planLoad(given).kvTokens ?? Number.NaN) * VALUES * valueBytes;

function refusal(given: LoadDemand): ProxyError {
  try {
    planLoad(given);
  } catch (error) {
    if (error instanceof ProxyError) return error;
    throw error;
  }
  throw new Error("It was not refused.");
}

describe("the KV cache", () => {
  test("holds as many contexts as run at once where memory does, 64 at most", () => {
    const small = { ...demand, shape: { maxPromptTokens: 4095, contextLength: 4096 }, memory: free(1000) };
    expect(planLoad({ ...small, parallel: 8 }).kvTokens).toBe(8 * 4096);
    expect(planLoad({ ...small, parallel: 200 }).kvTokens).toBe(64 * 4096);
  });

  test("takes a share of the memory that the weights leave", () => {
    expect(cacheBytes(demand) / GIB).toBeCloseTo((0.4 * (22 * GIB - FIXED)) / GIB, 1);
    const plan = planLoad(demand);
    expect(plan.needBytes).toBe(FIXED + (plan.kvTokens ?? 0) * VALUES * 1.25);
    expect(plan.needBytes).toBeLessThan(22 * GIB);
  });

  test("takes more than that share for one whole context, but not all", () => {
    const long = { ...demand, shape: { maxPromptTokens: 131_071, contextLength: 131_072 } };
    const whole = 131_072 * VALUES * 1.25;
    expect(cacheBytes({ ...long, memory: free(30) })).toBe(whole);
    expect(cacheBytes({ ...long, memory: free(12) }) / GIB).toBeCloseTo((0.8 * (12 * GIB - FIXED)) / GIB, 1);
  });

  test("is the setting's where there is one, as far as memory goes", () => {
    expect(cacheBytes({ ...demand, kvCacheBytes: 2 * GIB }) / GIB).toBeCloseTo(2, 1);
    expect(cacheBytes({ ...demand, kvCacheBytes: 500 * GIB }) / GIB).toBeCloseTo((22 * GIB - FIXED) / GIB, 1);
    expect(planLoad({ ...demand, kvCacheBytes: 1 }).kvTokens).toBe(32);
  });

  test("has a GPU's shorter blocks and wider values there", () => {
    const onGpu = { ...demand, device: device("GPU") };
    expect(cacheBytes(onGpu, 2) / GIB).toBeCloseTo((0.4 * (22 * GIB - FIXED)) / GIB, 1);
    expect(planLoad({ ...onGpu, kvCacheBytes: 1 }).kvTokens).toBe(16);
  });

  test("of a model that does not tell its size: whole contexts, that count nothing", () => {
    const model = { name: "x", kind: "llm", size: 5 * GIB, format: "openvino" } as const;
    expect(planLoad({ ...demand, model })).toMatchObject({ kvTokens: 32 * 8192, needBytes: FIXED });
  });

  test("of an encoder is none, whatever its config says; its weights may double", () => {
    const model = { name: "bge", kind: "embedding", size: GIB, format: "openvino", kvValuesPerToken: VALUES } as const;
    const plan = planLoad({ ...demand, model, parallel: 256, shape: { maxPromptTokens: 512, contextLength: 512 } });
    expect(plan).toMatchObject({ kvTokens: undefined, needBytes: 2.5 * GIB + 256 * MIB });
    const onNpu = planLoad({ ...demand, model, device: device("NPU", true) });
    expect(onNpu).toMatchObject({ kvTokens: undefined, needBytes: 2 * GIB + 512 * MIB });
  });

  test("of an NPU is one context, and no number of tokens", () => {
    const onNpu = { ...demand, device: device("NPU"), compiled: true };
    const plan = planLoad(onNpu);
    expect(plan.kvTokens).toBeUndefined();
    expect(plan.needBytes).toBe(5 * GIB * 1.4 + 512 * MIB + 8192 * VALUES * 2);
  });
});

describe("too little memory", () => {
  test("is refused with both numbers and what to do", () => {
    const error = refusal({ ...demand, memory: free(4) });
    expect(error.code).toBe("insufficient_memory");
    expect(error.message).toBe(
      "'llama:8b' on CPU needs 6.6 GiB of memory, 4.0 GiB are available. Unload another model, choose a smaller one.",
    );
  });

  test("begins exactly where the least need is not met", () => {
    const least = leastBytes(demand);
    const state = (availableBytes: number) => ({ ...demand, memory: { availableBytes, totalBytes: 32 * GIB } });
    expect(planLoad(state(least)).kvTokens).toBe(4096);
    expect(refusal(state(least - 1)).code).toBe("insufficient_memory");
    const short = { maxPromptTokens: 511, contextLength: 512 };
    expect(leastBytes({ ...demand, shape: short })).toBe(FIXED + 512 * VALUES * 1.25);
  });

  test("a GGUF file needs more than OpenVINO's own; an NPU most while it compiles, emulated least", () => {
    const gguf = { ...demand.model, format: "gguf" } as const;
    expect(leastBytes({ ...demand, model: gguf }) - leastBytes(demand)).toBe(5 * GIB * 0.8);
    const npu = (compiled: boolean, emulated: boolean) =>
      leastBytes({ ...demand, device: device("NPU", emulated), compiled });
    expect(npu(false, false)).toBeGreaterThan(22.5 * GIB);
    expect(npu(true, false)).toBeLessThan(npu(false, true));
    expect(npu(false, true)).toBeLessThan(npu(false, false));
    expect(refusal({ ...demand, device: device("NPU"), memory: free(12) }).message).toMatch(
      /needs \d+\.\d GiB of memory to be compiled, 12\.0 GiB/,
    );
  });

  test("the setting's limit counts what others hold, and is named", () => {
    const limited = { ...demand, memoryLimitBytes: 8 * GIB, heldBytes: 0 };
    expect(planLoad(limited).needBytes).toBeLessThan(8 * GIB);
    expect(refusal({ ...limited, heldBytes: 3 * GIB }).message).toMatch(/5\.0 GiB.*NPU_PROXY_MEMORY_LIMIT/);
    expect(refusal({ ...limited, heldBytes: 30 * GIB }).message).toMatch(/ 0\.0 GiB/);
  });

  test("a GPU's own memory is a bound of its own", () => {
    const gpu = { ...device("GPU.1"), memoryBytes: 4 * GIB };
    expect(refusal({ ...demand, device: gpu }).message).toMatch(/GPU\.1 needs .* 4\.0 GiB are available/);
  });
});

describe("pressure", () => {
  const GROWING = [0.2, 0.4, 0.5, 0.8, 1.2, 1.6, 3];
  const levels = (gib: readonly number[], totalGib: number, from: Pressure): Pressure[] => {
    let level = from;
    return gib.map((available) => {
      level = pressureOf({ availableBytes: available * GIB, totalBytes: totalGib * GIB }, level);
      return level;
    });
  };

  test("rises at once, and falls only when there is half as much again", () => {
    expect(levels([...GROWING].reverse(), 32, "normal")).toEqual([
      "normal",
      "normal",
      "normal",
      "tight",
      "tight",
      "tight",
      "critical",
    ]);
    expect(levels(GROWING, 32, "critical")).toEqual([
      "critical",
      "critical",
      "critical",
      "tight",
      "tight",
      "normal",
      "normal",
    ]);
  });

  test("a small machine, or control group, has thresholds of its own size", () => {
    expect(levels([0.2, 0.1, 0.05, 0.07, 0.1, 0.2, 0.3], 2, "normal")).toEqual([
      "normal",
      "tight",
      "critical",
      "critical",
      "tight",
      "tight",
      "normal",
    ]);
  });

  test("the setting's limit is memory that is not there", () => {
    expect(withinLimit(free(20), 0, GIB)).toEqual(free(20));
    expect(withinLimit(free(20), 8 * GIB, 6 * GIB)).toEqual({ availableBytes: 2 * GIB, totalBytes: 8 * GIB });
    expect(withinLimit(free(1), 8 * GIB, 9 * GIB)).toEqual({ availableBytes: 0, totalBytes: 8 * GIB });
  });
});
