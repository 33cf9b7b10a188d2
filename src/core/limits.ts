/** How many tokens fit where: the one formula, pure. The README prints it. */
import { ProxyError } from "./errors.ts";
import type { Shape } from "./ports.ts";
import { type Device, deviceClass } from "./request.ts";

/** Settings, in tokens. */
export interface Limits {
  /** NPU_PROXY_TOKEN_LIMIT: a longer prompt is not routed to the NPU by itself. */
  readonly tokenLimit: number;
  /** NPU_PROXY_MAX_PROMPT_LEN: longest prompt that the NPU's static shape is compiled for. */
  readonly maxPromptTokens: number;
  /** NPU_PROXY_MIN_RESPONSE_LEN: room that the static shape keeps for the answer. */
  readonly minResponseTokens: number;
  /** NPU_PROXY_MAX_OUTPUT: longest answer where the client names no length. */
  readonly maxOutput: number;
}

/** An answer whose length nobody named is never planned longer than this, in tokens. */
const LONGEST_UNASKED = 8192;

/**
 * The shape of a placement. CPU and GPU take the model's whole context. The NPU's shape is static:
 * MIN_RESPONSE_LEN = min(setting, context / 4), MAX_PROMPT_LEN = min(setting, context - MIN_RESPONSE_LEN), and its
 * KV capacity is their sum - 1.
 */
export function shapeOn(device: Device, contextLength: number, limits: Limits): Shape {
  if (deviceClass(device) !== "NPU") return { maxPromptTokens: contextLength - 1, contextLength };
  const response = Math.min(limits.minResponseTokens, Math.floor(contextLength / 4));
  const prompt = Math.min(limits.maxPromptTokens, contextLength - response);
  return { maxPromptTokens: prompt, contextLength: prompt + response - 1 };
}

/** Why a request does not fit a shape; undefined where it does. */
export function misfit(shape: Shape, promptTokens: number, asked: number | undefined): "prompt" | "output" | undefined {
  if (promptTokens > shape.maxPromptTokens) return "prompt";
  return promptTokens + (asked ?? 1) > shape.contextLength ? "output" : undefined;
}

/** Tokens that an answer may have: what was asked for, what the shape leaves, and a bound where nothing was asked. */
export function outputTokens(shape: Shape, promptTokens: number, asked: number | undefined, limits: Limits): number {
  const room = shape.contextLength - promptTokens;
  return Math.min(asked ?? Math.min(limits.maxOutput, LONGEST_UNASKED), room);
}

/** @throws ProxyError context_length_exceeded: the prompt leaves no room for a single token of an answer. */
export function requireFit(shape: Shape, promptTokens: number, where: string): void {
  const most = Math.min(shape.maxPromptTokens, shape.contextLength - 1);
  if (promptTokens <= most) return;
  throw new ProxyError(
    "context_length_exceeded",
    `The prompt has ${promptTokens} tokens and ${where} takes at most ${most}. Shorten the prompt or the conversation.`,
    { param: "messages" },
  );
}
