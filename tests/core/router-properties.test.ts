import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ProxyError } from "../../src/core/errors.ts";
import { deviceClass } from "../../src/core/request.ts";
import { longestPrompt, shapeOn } from "../../src/core/routing/limits.ts";
import type {
  DeviceState,
  RouteDecision,
  RouteQuestion,
  RouteReason,
  RouteSettings,
} from "../../src/core/routing/route.ts";
import { route } from "../../src/core/routing/router.ts";
import { deviceState } from "../support/route-question.ts";

const REASONS: readonly RouteReason[] = [
  "within_npu_limit",
  "prompt_exceeds_npu_limit",
  "output_exceeds_npu_limit",
  "needs_unsupported_by_npu",
  "npu_busy",
  "npu_unavailable",
  "circuit_open",
  "model_unfit",
  "insufficient_memory",
  "requested",
  "fixed",
  "fastest",
];
const REFUSALS = ["device_error", "context_length_exceeded", "unsupported_field", "model_unfit", "insufficient_memory"];

const mostly = <T>(usual: T, ...rest: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...rest) });
const tokens = (usual: number, most: number): fc.Arbitrary<number> =>
  fc.oneof(fc.integer({ min: 1, max: usual }), fc.integer({ min: 1, max: most }));

const state = (name: string): fc.Arbitrary<DeviceState> =>
  fc
    .record({
      loaded: fc.boolean(),
      running: fc.nat(3),
      waiting: fc.nat(12),
      occupied: mostly(false, true),
      circuit: mostly<DeviceState["circuit"]>("closed", "open", "half_open"),
      tooLarge: mostly(undefined, "It needs 2 GiB."),
      unfit: mostly<string | undefined>(undefined, "wrong answers"),
      speed: fc.option(
        fc.record({
          promptTokensPerSecond: fc.integer({ min: 1, max: 5000 }),
          tokensPerSecond: fc.integer({ min: 1, max: 200 }),
          samples: fc.constant(3),
        }),
        { nil: undefined },
      ),
      loadMs: fc.option(fc.nat(100_000), { nil: undefined }),
    })
    .map((changes) => deviceState(name, changes));

const question: fc.Arbitrary<RouteQuestion> = fc
  .record({
    promptTokens: tokens(3000, 40_000),
    outputTokens: fc.option(tokens(3000, 40_000), { nil: undefined }),
    modelContextLength: fc.integer({ min: 4, max: 32_768 }),
    numCtx: fc.option(fc.integer({ min: 2, max: 32_768 }), { nil: undefined }),
    needs: fc.subarray(["logprobs", "n", "image", "adapter"] as const, { maxLength: 1 }),
    wish: fc.option(fc.constantFrom("NPU", "GPU", "GPU.1", "CPU"), { nil: undefined, freq: 3 }),
    unfitOn: fc.subarray(["NPU", "GPU", "CPU"] as const, { maxLength: 1 }),
    devices: fc
      .subarray(["CPU", "GPU.0", "GPU.1", "NPU"])
      .chain((names) => fc.tuple(...names.map(state)) as fc.Arbitrary<DeviceState[]>),
  })
  .map(({ numCtx, unfitOn, ...rest }) => ({
    ...rest,
    contextLength: Math.min(rest.modelContextLength, numCtx ?? Number.POSITIVE_INFINITY),
    fitness: unfitOn.map((device) => ({ device, fits: false, reason: "asymmetric" })),
  }));

const settings: fc.Arbitrary<RouteSettings> = fc.record({
  device: mostly("auto", "NPU", "CPU"),
  preferred: mostly("NPU", "GPU", "GPU.1", "CPU"),
  fallback: mostly("auto", "NPU", "GPU", "CPU"),
  policy: mostly<RouteSettings["policy"]>("context", "latency", "fixed"),
  npuQueue: fc.nat(8),
  limits: fc.record({
    tokenLimit: tokens(3000, 10_000),
    maxPromptTokens: tokens(5000, 10_000),
    minResponseTokens: tokens(512, 5000),
    maxOutput: tokens(1000, 10_000),
  }),
});

/** Undefined where the router refuses, which it does with one of its own codes only. */
function decisionOn(asked: RouteQuestion, set: RouteSettings): RouteDecision | undefined {
  try {
    return route(asked, set);
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    expect(REFUSALS).toContain(error.code);
    if (error.code === "device_error")
      expect(error.availableDevices).toEqual(asked.devices.map(({ device }) => device.name));
    return undefined;
  }
}

function stateOf(asked: RouteQuestion, name: string): DeviceState {
  const found = asked.devices.find(({ device }) => device.name === name);
  if (!found) throw new Error(`${name} is not on this machine`);
  return found;
}

/** For every question that the router answers. */
function always(property: (decision: RouteDecision, asked: RouteQuestion, set: RouteSettings) => void): void {
  let decided = 0;
  fc.assert(
    fc.property(question, settings, (asked, set) => {
      const decision = decisionOn(asked, set);
      if (!decision) return;
      decided++;
      property(decision, asked, set);
    }),
    { numRuns: 2000 },
  );
  expect(decided).toBeGreaterThan(200);
}

const isOnly = ({ wish }: RouteQuestion, { device, policy }: RouteSettings): boolean =>
  device !== "auto" || policy === "fixed" || wish !== undefined;

describe("whatever is asked, the router", () => {
  test("has candidates that are on the machine, each once", () => {
    always(({ candidates, routed, considered }, asked) => {
      const names = candidates.map(({ device }) => device.name);
      expect(names.length).toBeGreaterThan(0);
      expect(new Set(names).size).toBe(names.length);
      for (const name of [...names, routed.name]) stateOf(asked, name);
      expect(considered.map(({ device }) => device)).toEqual(asked.devices.map(({ device }) => device));
      expect(considered.filter(({ chosen }) => chosen).map(({ device }) => device.name)).toEqual(names.slice(0, 1));
    });
  });

  test("sends a request only where it fits", () => {
    always(({ candidates }, asked, set) => {
      for (const { device, shape, maxTokens } of candidates) {
        const kind = deviceClass(device.name);
        expect(shape).toEqual(shapeOn(device.name, asked.modelContextLength, set.limits));
        expect(asked.promptTokens).toBeLessThanOrEqual(longestPrompt(shape, asked.contextLength));
        expect(maxTokens).toBeGreaterThanOrEqual(1);
        expect(asked.promptTokens + maxTokens).toBeLessThanOrEqual(Math.min(shape.contextLength, asked.contextLength));
        if (asked.outputTokens !== undefined) expect(maxTokens).toBeLessThanOrEqual(asked.outputTokens);
        expect(asked.fitness.some((verdict) => verdict.device === kind)).toBeFalse();
        expect(stateOf(asked, device.name).unfit).toBeUndefined();
        if (kind !== "NPU") continue;
        expect(asked.needs).toEqual([]);
        if (isOnly(asked, set)) continue;
        expect(asked.promptTokens).toBeLessThanOrEqual(set.limits.tokenLimit);
        // Nothing that the request's own context would leave it is cut here.
        if (asked.outputTokens !== undefined)
          expect(maxTokens).toBe(Math.min(asked.outputTokens, asked.contextLength - asked.promptTokens));
      }
    });
  });

  test("sends nothing where the circuit is open or the memory missing", () => {
    always(({ candidates }, asked) => {
      for (const { device } of candidates) {
        const { circuit, tooLarge } = stateOf(asked, device.name);
        expect([circuit === "open", tooLarge !== undefined]).toEqual([false, false]);
      }
    });
  });

  test("gives a reason of the closed list that is true", () => {
    always(({ candidates, routed, wantsNpu, npu }, asked, set) => {
      const [chosen, ...others] = candidates;
      const kind = deviceClass(chosen.device.name);
      for (const { reason } of candidates) expect(REASONS).toContain(reason);
      for (const { reason } of others) expect(["npu_unavailable", "circuit_open"]).toContain(reason);
      if (isOnly(asked, set)) {
        expect(others).toEqual([]);
        expect(chosen.reason).toBe(set.device !== "auto" || set.policy === "fixed" ? "fixed" : "requested");
      } else {
        expect(chosen.reason).not.toBe("fixed");
        if (chosen.reason === "fastest") expect(set.policy).toBe("latency");
        else expect(chosen.reason === "within_npu_limit").toBe(kind === "NPU");
        if (set.preferred === "NPU") expect(chosen.reason).not.toBe("requested");
      }
      if (chosen.reason === "prompt_exceeds_npu_limit" && deviceClass(set.preferred) === "NPU") {
        const shape = shapeOn("NPU", asked.modelContextLength, set.limits);
        const limit = Math.min(set.limits.tokenLimit, longestPrompt(shape, asked.contextLength));
        expect(asked.promptTokens).toBeGreaterThan(limit);
      }
      expect(npu?.device.name).toBe(wantsNpu ? "NPU" : undefined);
      if (wantsNpu) {
        expect(kind).not.toBe("NPU");
        expect(stateOf(asked, "NPU").occupied).toBeTrue();
        if (set.policy === "context") expect(routed.name).toBe("NPU");
      }
    });
  });

  test("never moves a request to the NPU because its prompt is longer, or its answer", () => {
    fc.assert(
      fc.property(question, settings, fc.nat(5000), fc.nat(5000), (asked, set, more, longer) => {
        const context = { ...set, policy: "context" } as const;
        const before = decisionOn(asked, context);
        if (!before || deviceClass(before.candidates[0].device.name) === "NPU") return;
        const outputTokens = asked.outputTokens === undefined ? undefined : asked.outputTokens + longer;
        const after = decisionOn({ ...asked, promptTokens: asked.promptTokens + more, outputTokens }, context);
        if (after) expect(after.candidates[0].device.name).toBe(before.candidates[0].device.name);
      }),
      { numRuns: 2000 },
    );
  });

  test("takes every prompt within the context of a healthy machine", () => {
    fc.assert(
      fc.property(question, settings, (asked, set) => {
        fc.pre(asked.promptTokens < asked.contextLength);
        const devices = ["CPU", "NPU"].map((name) => deviceState(name));
        const healthy = { ...asked, devices, fitness: [], wish: undefined };
        const auto = { ...set, device: "auto", policy: "context" } as const;
        expect(route(healthy, auto).candidates.length).toBeGreaterThan(0);
      }),
    );
  });
});
