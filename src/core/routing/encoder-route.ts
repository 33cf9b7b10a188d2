/** Where embedders and rerankers go: the router's rules, asked about a model whose inputs are cut to its own length. Pure. */

import type { Fitness, Model } from "../model.ts";
import type { Device } from "../request.ts";
import type { Limits, Shape } from "./limits.ts";
import type { DeviceState, RouteQuestion, RouteSettings } from "./route.ts";

/** An encoder generates nothing: its longest input is all that it is loaded for, on every device. */
export function encoderShape({ contextLength }: Pick<Model, "contextLength">): Shape {
  return { maxPromptTokens: contextLength, contextLength };
}

/**
 * What the router is asked. Without sizes: an input of any length is cut the same way everywhere, and the NPU's static
 * shape has to hold the model's longest, or two devices would cut one text at different places.
 */
export function encoderQuestion(
  model: Pick<Model, "contextLength" | "fitness">,
  wish: Device | undefined,
  devices: readonly DeviceState[],
  limits: Pick<Limits, "maxPromptTokens">,
): RouteQuestion {
  const { contextLength } = model;
  return {
    promptTokens: 0,
    outputTokens: undefined,
    contextLength,
    modelContextLength: contextLength,
    needs: [],
    wish,
    fitness: contextLength > limits.maxPromptTokens ? withoutNpu(model, limits) : model.fitness,
    devices,
  };
}

/** A device that is set for encoders is preferred, and what this machine has besides serves where it fails. */
export function encoderSettings(settings: RouteSettings, device: Device | "auto"): RouteSettings {
  return device === "auto"
    ? settings
    : { ...settings, device: "auto", preferred: device, fallback: "auto", policy: "context" };
}

function withoutNpu(
  { contextLength, fitness }: Pick<Model, "contextLength" | "fitness">,
  limits: Pick<Limits, "maxPromptTokens">,
): readonly Fitness[] {
  const reason =
    `its inputs have up to ${contextLength} tokens, and NPU_PROXY_MAX_PROMPT_LEN lets the NPU's shape have ` +
    `${limits.maxPromptTokens}`;
  return [{ device: "NPU", fits: false, reason }, ...fitness.filter(({ device }) => device !== "NPU")];
}
