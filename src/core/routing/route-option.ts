/** One device as an option for one request: what it takes, what speaks against it, how long it would need. Pure. */

import { type Device, type DeviceClass, deviceClass, type Need } from "../request.ts";
import { expectedMs } from "../speed.ts";
import type { Shape } from "./limits.ts";
import { longestPrompt, misfit, outputTokens, shapeOn } from "./limits.ts";
import type { DeviceState, RouteQuestion, RouteReason, RouteSettings } from "./route.ts";

/** What the NPU's pipeline cannot do. */
const UNSUPPORTED_BY_NPU: ReadonlySet<Need> = new Set(["logprobs", "n", "image", "adapter"]);
/** A load that was never timed counts as this long, in ms: on the NPU it compiles. */
const UNTIMED_LOAD_MS: Readonly<Record<DeviceClass, number>> = { NPU: 10_000, GPU: 5000, CPU: 5000 };
/** An answer whose length nobody named counts as this many tokens where times are compared. */
const USUAL_OUTPUT = 256;

/** The numbers are those of the rules in router.ts. */
export interface Option {
  readonly state: DeviceState;
  readonly kind: DeviceClass;
  readonly shape: Shape;
  /** Longest prompt that it takes of this request, in tokens. */
  readonly longest: number;
  /** Why it cannot take this request. (4) */
  readonly misfit: RouteReason | undefined;
  /** Why the model is wrong there, where that is so. (4) */
  readonly unfit: string | undefined;
  /** Why it should take none now. (5) */
  readonly obstacle: RouteReason | undefined;
  /** Time until the answer is complete, in ms. (7) */
  readonly expectedMs: number | undefined;
}

export type Options = readonly Option[];

/** @param only it is the only device that the request may run on (1, 2) */
export function optionOf(state: DeviceState, question: RouteQuestion, settings: RouteSettings, only: boolean): Option {
  const { limits } = settings;
  const kind = deviceClass(state.device.name);
  const shape = shapeOn(kind, question.modelContextLength, limits);
  const most = longestPrompt(shape, question.contextLength);
  const longest = kind === "NPU" && !only ? Math.min(most, limits.tokenLimit) : most;
  const unfit = state.unfit ?? question.fitness.find(({ device, fits }) => device === kind && !fits)?.reason;
  const size = misfit(shape, longest, question);
  return {
    state,
    kind,
    shape,
    longest,
    unfit,
    // 4, in the order of 6
    misfit:
      kind === "NPU" && unsupported(question.needs)
        ? "needs_unsupported_by_npu"
        : unfit !== undefined
          ? "model_unfit"
          : size === undefined || (size === "output" && only)
            ? undefined
            : `${size}_exceeds_npu_limit`,
    obstacle: obstacleOf(state, kind, settings.npuQueue),
    expectedMs: timeOn(state, kind, question, outputTokens(shape, question, limits)),
  };
}

/** By exact name, else the first of that class ("GPU" finds "GPU.0"). */
export function findOption(name: Device, options: Options): Option | undefined {
  const wanted = name.toUpperCase();
  return (
    options.find(({ state }) => state.device.name.toUpperCase() === wanted) ??
    options.find(({ kind }) => kind === wanted)
  );
}

/** The first of these that the NPU's pipeline cannot do. */
export function unsupported(needs: readonly Need[]): Need | undefined {
  return needs.find((need) => UNSUPPORTED_BY_NPU.has(need));
}

/** 5 */
function obstacleOf(state: DeviceState, kind: DeviceClass, npuQueue: number): RouteReason | undefined {
  if (state.circuit === "open") return "circuit_open";
  if (state.tooLarge) return "insufficient_memory";
  if (kind !== "NPU") return undefined;
  // With a queue of 0 an idle NPU still takes one: nobody waits there.
  const full = state.waiting >= npuQueue && state.waiting + state.running > 0;
  return state.occupied || full ? "npu_busy" : undefined;
}

/**
 * 7: what is ahead, the load where it is not loaded, and the request itself. On the NPU one request runs at a time;
 * elsewhere they run together, at the speed that was measured so, and only those that wait are ahead.
 */
function timeOn(state: DeviceState, kind: DeviceClass, question: RouteQuestion, most: number): number | undefined {
  const { running, waiting, loaded, loadMs = UNTIMED_LOAD_MS[kind], speed } = state;
  const own = expectedMs(speed, question.promptTokens, question.outputTokens === undefined ? USUAL_OUTPUT : most);
  if (own === undefined) return undefined;
  const ahead = kind === "NPU" ? running + waiting : waiting / Math.max(1, running);
  return ahead * own + (loaded ? 0 : loadMs) + own;
}
