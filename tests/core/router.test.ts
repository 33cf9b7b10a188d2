import { describe, expect, test } from "bun:test";
import type { Fitness } from "../../src/core/model.ts";
import type { DeviceState, RouteQuestion, RouteSettings } from "../../src/core/routing/route.ts";
import { route } from "../../src/core/routing/router.ts";
import { LIMITS, machine, questionWith, refusal, routes, settingsWith } from "../support/route-question.ts";

const unfitFor = (device: "NPU" | "GPU" | "CPU"): Fitness => ({ device, fits: false, reason: "asymmetric" });

describe("the chain", () => {
  test("NPU, then GPU, then CPU", () => {
    expect(routes()).toBe("NPU within_npu_limit, GPU npu_unavailable, CPU npu_unavailable");
    expect(routes({ devices: machine("CPU NPU") })).toBe("NPU within_npu_limit, CPU npu_unavailable");
  });

  test("goes on without the NPU where there is none", () => {
    expect(routes({ devices: machine("CPU") })).toBe("CPU npu_unavailable");
    expect(routes({ devices: machine("CPU GPU.0 GPU.1") })).toBe("GPU.0 npu_unavailable, CPU circuit_open");
  });

  test("begins with the preferred device, which is asked for", () => {
    expect(routes({}, { preferred: "GPU" })).toBe("GPU requested, CPU circuit_open");
    expect(routes({}, { preferred: "CPU" })).toBe("CPU requested, GPU circuit_open");
    expect(routes({ devices: machine("CPU GPU.0 GPU.1") }, { preferred: "GPU.1" })).toBe(
      "GPU.1 requested, GPU.0 circuit_open, CPU circuit_open",
    );
  });

  test("goes on with the fallback, then with what is left", () => {
    expect(routes({}, { fallback: "CPU" })).toBe("NPU within_npu_limit, CPU npu_unavailable, GPU npu_unavailable");
    expect(routes({}, { preferred: "CPU", fallback: "NPU" })).toBe(
      "CPU requested, NPU circuit_open, GPU npu_unavailable",
    );
    expect(routes({}, { fallback: "NPU" })).toBe(routes());
    expect(routes({}, { preferred: "CPU", fallback: "CPU" })).toBe("CPU requested, GPU circuit_open");
  });

  test("passes over a preferred device that is not there, or is out of order", () => {
    expect(routes({ devices: machine("CPU NPU") }, { preferred: "GPU" })).toBe("CPU npu_unavailable");
    expect(routes({ devices: machine("CPU NPU") }, { preferred: "GPU", fallback: "NPU" })).toBe(
      "NPU within_npu_limit, CPU npu_unavailable",
    );
    const long = { promptTokens: 1801, devices: machine("CPU NPU") };
    expect(routes(long, { preferred: "GPU", fallback: "NPU" })).toBe("CPU prompt_exceeds_npu_limit");
    expect(routes({ devices: machine("CPU GPU", { GPU: { circuit: "open" } }) }, { preferred: "GPU" })).toBe(
      "CPU circuit_open",
    );
    expect(routes({ fitness: [unfitFor("GPU")] }, { preferred: "GPU" })).toBe("CPU model_unfit");
  });

  test("ends in an error where there is no device at all", () => {
    for (const needs of [[], ["n"]] as const)
      expect(refusal({ devices: [], needs })).toMatchObject({ code: "device_error", availableDevices: [] });
  });
});

describe("limits", () => {
  const LONG = ", CPU circuit_open";

  test("the routing threshold, from one below to ten times it", () => {
    const at = (promptTokens: number): string =>
      routes({ promptTokens, contextLength: 32_768, modelContextLength: 32_768 });
    expect(at(1799)).toStartWith("NPU within_npu_limit");
    expect(at(1800)).toStartWith("NPU within_npu_limit");
    expect(at(1801)).toBe(`GPU prompt_exceeds_npu_limit${LONG}`);
    expect(at(18_000)).toBe(`GPU prompt_exceeds_npu_limit${LONG}`);
  });

  test("the static shape where that is less", () => {
    const at = (promptTokens: number): string => routes({ promptTokens, contextLength: 512, modelContextLength: 512 });
    expect([at(383), at(384)]).toEqual([routes(), routes()]);
    expect(at(385)).toBe(`GPU prompt_exceeds_npu_limit${LONG}`);
    const narrow = { limits: { ...LIMITS, maxPromptTokens: 1000 } };
    expect(routes({ promptTokens: 1000 }, narrow)).toStartWith("NPU");
    expect(routes({ promptTokens: 1001 }, narrow)).toStartWith("GPU prompt_exceeds_npu_limit");
  });

  test("prompt and asked answer within the NPU's capacity of 4351", () => {
    expect(routes({ outputTokens: 4251 })).toStartWith("NPU within_npu_limit");
    expect(routes({ outputTokens: 4252 })).toBe(`GPU output_exceeds_npu_limit${LONG}`);
    expect(routes({ outputTokens: 100_000 })).toBe(`GPU output_exceeds_npu_limit${LONG}`);
  });

  test("num_ctx narrows the request, not the placement", () => {
    const [npu] = route(questionWith({ contextLength: 1000, outputTokens: 5000 }), settingsWith()).candidates;
    expect(npu).toMatchObject({
      device: { name: "NPU" },
      maxTokens: 900,
      shape: { maxPromptTokens: 4096, contextLength: 4351 },
    });
    expect(routes({ promptTokens: 999, contextLength: 1000 })).toStartWith("NPU");
    expect(refusal({ promptTokens: 1000, contextLength: 1000 }).message).toContain(
      "The prompt has 1000 tokens and this model on CPU takes at most 999.",
    );
  });

  test("a prompt that fits nowhere is told the largest limit", () => {
    const error = refusal({ promptTokens: 8192 });
    expect([error.code, error.param]).toEqual(["context_length_exceeded", "messages"]);
    expect(error.message).toContain("8192 tokens and this model on CPU takes at most 8191");
    expect(routes({ promptTokens: 8191 })).toBe(`GPU prompt_exceeds_npu_limit${LONG}`);
    const narrow = refusal({ promptTokens: 1801, fitness: [unfitFor("CPU")], devices: machine("CPU NPU") });
    expect(narrow.message).toContain("on NPU takes at most 1800");
    const wide = refusal({ outputTokens: 5000, fitness: [unfitFor("CPU")], devices: machine("CPU NPU") });
    expect(wide).toMatchObject({ code: "context_length_exceeded", param: "max_tokens" });
    expect(wide.message).toContain("an answer of 5000 is asked for, but this model on NPU takes at most 4351 together");
  });

  test("the answer is cut to what is left, and bounded where nobody named its length", () => {
    const most = (question: Partial<RouteQuestion>, maxOutput = 8192): number[] =>
      route(questionWith(question), settingsWith({ limits: { ...LIMITS, maxOutput } })).candidates.map(
        ({ maxTokens }) => maxTokens,
      );
    expect(most({})).toEqual([4251, 8092, 8092]);
    expect(most({}, 64)).toEqual([64, 64, 64]);
    expect(most({ outputTokens: 10 })).toEqual([10, 10, 10]);
    expect(most({ outputTokens: 9000 })).toEqual([8092, 8092]);
    expect(most({ promptTokens: 8191, outputTokens: 9000 })).toEqual([1, 1]);
  });
});

describe("needs and fitness", () => {
  for (const need of ["logprobs", "n", "image", "adapter"] as const)
    test(`${need} is beyond the NPU`, () => {
      expect(routes({ needs: [need] })).toBe("GPU needs_unsupported_by_npu, CPU circuit_open");
      expect(refusal({ needs: [need], wish: "NPU" })).toMatchObject({ code: "unsupported_field", param: need });
      expect(refusal({ needs: [need] }, { device: "NPU" }).code).toBe("unsupported_field");
      expect(routes({ needs: [need], wish: "CPU" })).toBe("CPU requested");
    });

  test("a model that is wrong for a device goes to the next one", () => {
    expect(routes({ fitness: [unfitFor("NPU")] })).toBe("GPU model_unfit, CPU circuit_open");
    expect(routes({ devices: machine("CPU NPU", { NPU: { unfit: "wrong answers" } }) })).toBe("CPU model_unfit");
    expect(routes({ fitness: [{ device: "NPU", fits: true, reason: "" }] })).toStartWith("NPU within_npu_limit");
  });

  test("a model that is wrong for all of them, or for the only one, is refused with the reason", () => {
    const all = refusal({ fitness: [unfitFor("NPU"), unfitFor("GPU"), unfitFor("CPU")] });
    expect([all.code, all.message]).toEqual(["model_unfit", expect.stringContaining("asymmetric")]);
    const probed = refusal({ wish: "npu", devices: machine("CPU NPU", { NPU: { unfit: "wrong answers" } }) });
    expect([probed.code, probed.message]).toEqual(["model_unfit", expect.stringContaining("on NPU: wrong answers")]);
  });

  test("of several things against the NPU the first of the list is told", () => {
    const npu: Partial<DeviceState> = { circuit: "open", tooLarge: "It needs 2 GiB.", occupied: true };
    const question = (changes: Partial<RouteQuestion>): string =>
      routes({ devices: machine("CPU NPU", { NPU: npu }), ...changes });
    expect(question({ needs: ["n"], fitness: [unfitFor("NPU")], promptTokens: 5000 })).toBe(
      "CPU needs_unsupported_by_npu",
    );
    expect(question({ fitness: [unfitFor("NPU")], promptTokens: 5000 })).toBe("CPU model_unfit");
    expect(question({ promptTokens: 5000, outputTokens: 3000 })).toBe("CPU prompt_exceeds_npu_limit");
    expect(question({ outputTokens: 5000 })).toBe("CPU output_exceeds_npu_limit");
    expect(question({})).toBe("CPU circuit_open");
    expect(routes({ devices: machine("CPU NPU", { NPU: { ...npu, circuit: "closed" } }) })).toBe(
      "CPU insufficient_memory",
    );
  });
});

describe("state", () => {
  const npu = (changes: Partial<DeviceState>, cpu: Partial<DeviceState> = {}) => ({
    devices: machine("CPU NPU", { NPU: changes, CPU: cpu }),
  });

  test("an open circuit is passed over, a half-open one is tried", () => {
    expect(routes(npu({ circuit: "open" }))).toBe("CPU circuit_open");
    expect(routes(npu({ circuit: "half_open" }))).toBe("NPU within_npu_limit, CPU npu_unavailable");
  });

  test("too little memory is passed over", () => {
    expect(routes(npu({ tooLarge: "It needs 2 GiB." }))).toBe("CPU insufficient_memory");
  });

  test("a busy NPU is passed over, and wanted where another model has it", () => {
    expect(routes(npu({ waiting: 8 }))).toBe("CPU npu_busy");
    expect(routes(npu({ waiting: 7, running: 1 }))).toStartWith("NPU within_npu_limit");
    const decision = route(questionWith(npu({ occupied: true })), settingsWith());
    expect(decision).toMatchObject({
      wantsNpu: true,
      routed: { name: "NPU" },
      npu: { device: { name: "NPU" }, shape: { maxPromptTokens: 4096, contextLength: 4351 }, maxTokens: 4251 },
    });
    expect(decision.candidates.map(({ device, reason }) => [device.name, reason])).toEqual([["CPU", "npu_busy"]]);
    for (const [changes, question] of [
      [{ waiting: 8 }, {}],
      [{ occupied: true, circuit: "open" }, {}],
      [{ occupied: true, tooLarge: "It needs 2 GiB." }, {}],
      [{ occupied: true }, { promptTokens: 1801 }],
    ] as const)
      expect(route(questionWith({ ...npu(changes), ...question }), settingsWith()).wantsNpu).toBeFalse();
  });

  test("a queue of 0 lets an idle NPU take one", () => {
    expect(routes(npu({ loaded: false }), { npuQueue: 0 })).toStartWith("NPU within_npu_limit");
    expect(routes(npu({ running: 1 }), { npuQueue: 0 })).toBe("CPU npu_busy");
    expect(routes(npu({ loaded: false, waiting: 1 }), { npuQueue: 0 })).toBe("CPU npu_busy");
  });

  test("a long queue elsewhere passes over nothing", () => {
    expect(routes({ devices: machine("CPU", { CPU: { waiting: 500, occupied: true } }) })).toBe("CPU npu_unavailable");
  });

  test("where all are passed over, those that are merely busy are waited for", () => {
    expect(routes(npu({ occupied: true }, { circuit: "open" }))).toBe("NPU within_npu_limit");
    expect(routes(npu({ waiting: 20 }, { tooLarge: "It needs 2 GiB." }))).toBe("NPU within_npu_limit");
  });

  test("where all keep failing, that is said", () => {
    const error = refusal(npu({ circuit: "open" }, { circuit: "open" }));
    expect(error).toMatchObject({ code: "device_error", availableDevices: ["CPU", "NPU"] });
    expect(error.message).toContain("keeps failing on NPU, CPU and is left alone");
    expect(refusal(npu({ circuit: "open" }, { tooLarge: "It needs 2 GiB." })).code).toBe("device_error");
  });

  test("where none has the memory, that is said", () => {
    expect(refusal(npu({ tooLarge: "It needs 2 GiB." }, { tooLarge: "It needs 2 GiB." })).code).toBe(
      "insufficient_memory",
    );
  });

  test("routed is where it would go if nothing were busy or broken", () => {
    const routed = (question: Partial<RouteQuestion>): string =>
      route(questionWith(question), settingsWith()).routed.name;
    expect(routed(npu({ circuit: "open" }))).toBe("NPU");
    expect(routed({ ...npu({ circuit: "open" }), promptTokens: 2000 })).toBe("CPU");
    expect(routed({ wish: "GPU" })).toBe("GPU");
  });
});

describe("what is told of it", () => {
  test("every device, with its limits and why not", () => {
    const question = questionWith({ promptTokens: 1801, contextLength: 4000 });
    expect(route(question, settingsWith()).considered).toMatchObject([
      { device: { name: "CPU" }, chosen: false, reason: undefined, maxPromptTokens: 3999, contextLength: 4000 },
      { device: { name: "GPU" }, chosen: true, reason: "prompt_exceeds_npu_limit", maxPromptTokens: 3999 },
      { device: { name: "NPU" }, chosen: false, reason: "prompt_exceeds_npu_limit", maxPromptTokens: 1800 },
    ]);
  });

  test("how long a prompt may be, where it is too long", () => {
    const most = (question: Partial<RouteQuestion>, settings: Partial<RouteSettings> = {}): number | undefined =>
      refusal({ promptTokens: 99_999, ...question }, settings).limit;
    expect(most({})).toBe(8191);
    expect(most({ contextLength: 1000 })).toBe(999);
    expect(most({ wish: "NPU" })).toBe(4096);
    expect(most({}, { device: "NPU" })).toBe(4096);
    expect(most({ devices: machine("NPU") })).toBe(1800);
    expect(most({ wish: "NPU", needs: ["n"] })).toBeUndefined();
  });
});
