/** Why a request goes nowhere, as the error that its caller gets. Pure. */
import { ProxyError } from "../errors.ts";
import type { Device } from "../request.ts";
import { promptTooLong } from "./limits.ts";
import type { RouteQuestion } from "./route.ts";
import { type Option, type Options, unsupported } from "./route-option.ts";

/** Why there is only one device to try: a setting, by its name, or the caller's wish. */
export type OnlyBecause = "NPU_PROXY_DEVICE" | "NPU_PROXY_PREFERRED_DEVICE" | "wish";

const UNKNOWN_OPEN_MS = 10_000;

/** The only device that it may run on is not on this machine. */
export function absent(device: Device, because: OnlyBecause, options: Options): ProxyError {
  const offers = `this machine offers ${named(options) || "none that OpenVINO can use"}`;
  return deviceError(
    because === "wish"
      ? `The request asks for the device ${device}, but ${offers}. Ask for one of those, or leave the choice to the server.`
      : `The device ${device} is set, but ${offers}. Set ${because} to one of those` +
          (because === "NPU_PROXY_DEVICE" ? " or to auto." : ", or NPU_PROXY_POLICY to context."),
    options,
  );
}

/** None of those that were tried can take it: the first of size, fitness and needs that is to blame. */
export function refusal(tried: Options, question: RouteQuestion, options: Options): ProxyError {
  const { promptTokens, outputTokens = 1 } = question;
  const long = largest(tried.filter(({ misfit }) => misfit === "prompt_exceeds_npu_limit"));
  if (long) return promptTooLong(promptTokens, `this model on ${long.state.device.name}`, Math.max(0, long.longest));
  const wide = largest(tried.filter(({ misfit }) => misfit === "output_exceeds_npu_limit"));
  if (wide)
    return new ProxyError(
      "context_length_exceeded",
      `The prompt has ${promptTokens} tokens and an answer of ${outputTokens} is asked for, but this model on ` +
        `${wide.state.device.name} takes at most ${wide.shape.contextLength} together. Ask for a shorter answer.`,
      { param: "max_tokens" },
    );
  const unfit = tried.find(({ misfit }) => misfit === "model_unfit");
  if (unfit)
    return new ProxyError(
      "model_unfit",
      `This model cannot run on ${unfit.state.device.name}: ${unfit.unfit}. Use another device or another form of the model.`,
      { param: "model" },
    );
  const need = unsupported(question.needs);
  if (tried.length > 0 && need !== undefined)
    return new ProxyError(
      "unsupported_field",
      `The NPU cannot do what ${need} asks for. Leave it out, or let the request run on another device.`,
      { param: need },
    );
  return deviceError(
    `No device can be tried: this machine offers ${named(options) || "none that OpenVINO can use"}. ` +
      "`npu-proxy doctor` tells what is missing.",
    options,
  );
}

/** All that could take it are passed over, and not because they are merely busy. */
export function obstruction(takers: Options, options: Options): ProxyError {
  const failing = takers.filter(({ obstacle }) => obstacle === "circuit_open");
  if (failing.length > 0)
    return deviceError(
      `This model keeps failing on ${named(failing)} and is left alone there for a while. Try again later; ` +
        "`npu-proxy doctor` checks the devices.",
      options,
      Math.min(...failing.map(({ state }) => state.openMs ?? UNKNOWN_OPEN_MS)),
    );
  return new ProxyError("insufficient_memory", takers.flatMap(({ state }) => state.tooLarge ?? []).join(" "));
}

function deviceError(message: string, options: Options, retryAfterMs?: number): ProxyError {
  return new ProxyError("device_error", message, {
    availableDevices: options.map(({ state }) => state.device.name),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

function named(options: Options): string {
  return options.map(({ state }) => state.device.name).join(", ");
}

function largest(options: Options): Option | undefined {
  return options.reduce<Option | undefined>(
    (most, option) => (most && most.longest > option.longest ? most : option),
    undefined,
  );
}
