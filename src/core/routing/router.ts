/** Which devices a request may run on, best first, and why. Pure. */

import type { Device } from "../request.ts";
import { outputTokens } from "./limits.ts";
import type { Candidate, RouteDecision, RouteQuestion, RouteReason, RouteSettings } from "./route.ts";
import { findOption, type Option, type Options, optionOf } from "./route-option.ts";
import { absent, type OnlyBecause, obstruction, refusal } from "./route-refusal.ts";

/**
 * Where a request goes.
 * 1. A fixed device (setting), or the preferred one under the policy `fixed`, is the only candidate, whatever the caller
 *    wished; reason `fixed`.
 * 2. So is the device that the caller wished for; reason `requested`.
 * 3. Otherwise they are tried in a chain: the preferred device, the fallback (auto: GPU, then CPU), then what is left of
 *    GPU and CPU. What this machine does not have is passed over. The NPU takes part only as preferred or fallback.
 * 4. A candidate takes the request: the model is fit for it, it can do what the request needs, the prompt is within its
 *    limits, prompt + asked answer within the NPU's capacity. For 1 and 2 the routing threshold does not count and an
 *    asked answer beyond the capacity is cut, as one beyond the context is everywhere.
 * 5. A candidate that takes it is passed over while its circuit is open, while there is no memory for the model, and (the
 *    NPU) while another model has it or too many wait for it. When all are, those that are merely busy stay, and the
 *    request waits; where none is, that is an error. For 1 and 2 likewise.
 * 6. The reason says what kept the request from the first of the chain, in this order: npu_unavailable,
 *    needs_unsupported_by_npu, model_unfit, prompt_ and output_exceeds_npu_limit, circuit_open, insufficient_memory,
 *    npu_busy. On the NPU it is within_npu_limit; on another device that is the preferred one, requested. The further
 *    candidates run only where those before them failed: npu_unavailable when the NPU was among these, else circuit_open.
 * 7. Under the policy `latency` the candidates come in the order of their expected times, those without a measured speed
 *    last; the first is `fastest` where it is not the first of them in the chain.
 * 8. `routed` is the first of the chain that takes the request by 1 to 4 alone. `wantsNpu`: the NPU would come first, by
 *    the policy, and only another model's having it is in the way.
 * @throws ProxyError device_error (with availableDevices), context_length_exceeded, unsupported_field, model_unfit,
 *   insufficient_memory
 */
export function route(question: RouteQuestion, settings: RouteSettings): RouteDecision {
  const { only, chain, options } = survey(question, settings);
  const takers = chain.filter(({ misfit }) => misfit === undefined);
  const [routed] = takers;
  if (!routed) throw refusal(chain, question, options); // 4
  const free = takers.filter(({ obstacle }) => obstacle === undefined);
  const able = free.length > 0 ? free : takers.filter(({ obstacle }) => obstacle === "npu_busy"); // 5
  const [chosen, ...others] = ranked(able, settings);
  if (!chosen) throw obstruction(takers, options);
  const reason = only?.reason ?? (chosen === able[0] ? chainReason(chosen, chain, settings) : "fastest");
  const candidate = ({ state, shape }: Option, why: RouteReason): Candidate => {
    return { device: state.device, reason: why, shape, maxTokens: outputTokens(shape, question, settings.limits) };
  };
  let afterNpu = chosen.kind === "NPU";
  const further = others.map((option) => {
    const made = candidate(option, afterNpu ? "npu_unavailable" : "circuit_open"); // 6
    afterNpu ||= option.kind === "NPU";
    return made;
  });
  const [wanted] = ranked(takers, settings);
  const wantsNpu = wanted !== undefined && wanted !== chosen && wanted.obstacle === "npu_busy" && wanted.state.occupied;
  return {
    routed: routed.state.device, // 8
    candidates: [candidate(chosen, reason), ...further],
    considered: options.map((option) => ({
      device: option.state.device,
      chosen: option === chosen,
      reason: option === chosen ? reason : (option.misfit ?? option.obstacle),
      maxPromptTokens: Math.max(0, option.longest),
      contextLength: Math.min(option.shape.contextLength, question.contextLength),
      expectedMs: option.expectedMs,
    })),
    wantsNpu,
    ...(wantsNpu && { npu: candidate(wanted, "within_npu_limit") }),
  };
}

interface Survey {
  /** Why there is only one device in the chain; undefined: rule 3 made it. */
  readonly only: { readonly reason: "fixed" | "requested" } | undefined;
  readonly chain: Options;
  /** Every device of the machine. */
  readonly options: Options;
}

/** Rules 1 to 3, and what speaks for and against each device. */
function survey(question: RouteQuestion, settings: RouteSettings): Survey {
  const only = onlyDevice(question, settings);
  const options = question.devices.map((state) => optionOf(state, question, settings, only !== undefined));
  if (!only) return { only, chain: chainOf(options, settings), options };
  const option = findOption(only.device, options);
  if (!option) throw absent(only.device, only.because, options);
  return { only, chain: [option], options };
}

/** Rules 1 and 2. */
function onlyDevice(
  { wish }: RouteQuestion,
  { device, policy, preferred }: RouteSettings,
): { readonly device: Device; readonly reason: "fixed" | "requested"; readonly because: OnlyBecause } | undefined {
  if (device !== "auto") return { device, reason: "fixed", because: "NPU_PROXY_DEVICE" };
  if (policy === "fixed") return { device: preferred, reason: "fixed", because: "NPU_PROXY_PREFERRED_DEVICE" };
  return wish === undefined ? undefined : { device: wish, reason: "requested", because: "wish" };
}

/** Rule 3. */
function chainOf(options: Options, { preferred, fallback }: RouteSettings): Options {
  const names = fallback === "auto" ? [preferred, "GPU", "CPU"] : [preferred, fallback, "GPU", "CPU"];
  return [...new Set(names.flatMap((name) => findOption(name, options) ?? []))];
}

/** Rule 6, of the first candidate. */
function chainReason(chosen: Option, chain: Options, { preferred }: RouteSettings): RouteReason {
  if (chosen.kind === "NPU") return "within_npu_limit";
  const first = findOption(preferred, chain) ?? chain.find(({ kind }) => kind === "NPU");
  if (first === chosen) return "requested";
  return first?.misfit ?? first?.obstacle ?? "npu_unavailable";
}

/** Rule 7. The sort is stable: what has the same time, or none, stays in the chain's order. */
function ranked(options: Options, { policy }: RouteSettings): Options {
  if (policy !== "latency") return options;
  return options.toSorted((a, b) => (a.expectedMs ?? Number.MAX_VALUE) - (b.expectedMs ?? Number.MAX_VALUE));
}
