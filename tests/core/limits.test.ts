import { describe, expect, test } from "bun:test";
import { longestPrompt, misfit, outputTokens, promptTooLong, shapeOn } from "../../src/core/routing/limits.ts";
import { LIMITS } from "../support/route-question.ts";

describe("the shape of a placement", () => {
  const cases: [device: string, context: number, prompt: number, capacity: number][] = [
    ["CPU", 8192, 8191, 8192],
    ["GPU.1", 8192, 8191, 8192],
    ["NPU", 131_072, 4096, 4351],
    ["NPU", 4352, 4096, 4351],
    ["NPU", 4351, 4095, 4350],
    ["NPU", 2048, 1792, 2047],
    ["NPU", 512, 384, 511],
    ["NPU", 100, 75, 99],
    ["NPU", 3, 3, 2],
  ];
  for (const [device, context, maxPromptTokens, contextLength] of cases)
    test(`of ${context} tokens on ${device}`, () => {
      expect(shapeOn(device, context, LIMITS)).toEqual({ maxPromptTokens, contextLength });
    });

  test("follows the settings", () => {
    expect(shapeOn("NPU", 8192, { ...LIMITS, maxPromptTokens: 1024, minResponseTokens: 128 })).toEqual({
      maxPromptTokens: 1024,
      contextLength: 1151,
    });
  });
});

describe("what fits a shape", () => {
  const shape = shapeOn("NPU", 8192, LIMITS); // 4096 and 4351
  const fit = (promptTokens: number, asked?: number, contextLength = 8192) =>
    misfit(shape, longestPrompt(shape, contextLength), { promptTokens, outputTokens: asked, contextLength });

  test("a prompt up to the longest", () => {
    expect([fit(4095), fit(4096), fit(4097), fit(40_960)]).toEqual([undefined, undefined, "prompt", "prompt"]);
  });

  test("prompt and asked answer up to the capacity", () => {
    expect([fit(4000, 351), fit(4000, 352)]).toEqual([undefined, "output"]);
  });

  test("num_ctx lowers the longest prompt, and cuts the answer before it could be too long", () => {
    expect([fit(1023, undefined, 1024), fit(1024, undefined, 1024)]).toEqual([undefined, "prompt"]);
    expect(fit(1000, 100_000, 1024)).toBeUndefined();
    expect([fit(1000, 100_000, 4351), fit(1000, 100_000, 4352)]).toEqual([undefined, "output"]);
  });

  test("a capacity below the longest prompt leaves room for one token", () => {
    expect(longestPrompt({ maxPromptTokens: 3, contextLength: 2 }, 3)).toBe(1);
  });
});

describe("the answer's length", () => {
  const most = (promptTokens: number, asked?: number, contextLength = 8192, maxOutput = 8192) =>
    outputTokens(
      shapeOn("CPU", 8192, LIMITS),
      { promptTokens, outputTokens: asked, contextLength },
      { ...LIMITS, maxOutput },
    );

  test("is what was asked for, or what is left", () => {
    expect([most(100, 50), most(100, 8092), most(100, 8093), most(8191, 500)]).toEqual([50, 8092, 8092, 1]);
  });

  test("of no named length has the setting's bound, and 8192 at most", () => {
    expect(most(100, undefined, 8192, 64)).toBe(64);
    expect(most(100)).toBe(8092);
    const wide = outputTokens(
      shapeOn("CPU", 131_072, LIMITS),
      { promptTokens: 100, outputTokens: undefined, contextLength: 131_072 },
      { ...LIMITS, maxOutput: 100_000 },
    );
    expect(wide).toBe(8192);
  });

  test("is cut to num_ctx, and is never less than one token", () => {
    expect([most(100, 500, 256), most(100, undefined, 256), most(100, 0)]).toEqual([156, 156, 1]);
  });

  test("on the NPU ends at its capacity", () => {
    const extent = { promptTokens: 100, outputTokens: undefined, contextLength: 8192 };
    expect(outputTokens(shapeOn("NPU", 8192, LIMITS), extent, LIMITS)).toBe(4251);
  });
});

test("a prompt that is too long is told with its count and the limit", () => {
  const error = promptTooLong(100, "this model on CPU", 99);
  expect([error.code, error.param, error.limit]).toEqual(["context_length_exceeded", "messages", 99]);
  expect(error.message).toContain("The prompt has 100 tokens and this model on CPU takes at most 99.");
});
