/** How many tokens fit where: the one formula, pure. The README prints it. */
import { ProxyError } from "../errors.ts";
import { type Device, deviceClass } from "../request.ts";

/** A placement's size, in tokens: its longest prompt, and its longest prompt + answer. */
export interface Shape {
  readonly maxPromptTokens: number;
  readonly contextLength: number;
}

/** How a placement is loaded. */
export interface LoadPlan {
  readonly shape: Shape;
  /** KV tokens that its running requests may reserve together; undefined: static (NPU). */
  readonly kvTokens: number | undefined;
}

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

/** What a request asks for, in tokens. */
export interface Extent {
  readonly promptTokens: number;
  /** Most tokens of the answer; undefined: the client named none. */
  readonly outputTokens: number | undefined;
  /** Prompt and answer together: the model's context, or num_ctx where that is less. */
  readonly contextLength: number;
}

/** An answer whose length nobody named is never planned longer than this, in tokens. */
const LONGEST_UNASKED = 8192;

/**
 * The shape of a placement, whatever its requests ask for: it is shared. CPU and GPU take the model's whole context.
 * The NPU's shape is static: MIN_RESPONSE_LEN = min(setting, context / 4), MAX_PROMPT_LEN = min(setting, context -
 * MIN_RESPONSE_LEN), and its KV capacity is their sum - 1.
 * @param contextLength the model's own, in tokens
 */
export function shapeOn(device: Device, contextLength: number, limits: Limits): Shape {
  if (deviceClass(device) !== "NPU") return { maxPromptTokens: contextLength - 1, contextLength };
  const response = Math.min(limits.minResponseTokens, Math.floor(contextLength / 4));
  const prompt = Math.min(limits.maxPromptTokens, contextLength - response);
  return { maxPromptTokens: prompt, contextLength: prompt + response - 1 };
}

/** Longest prompt that a shape takes of a request with this context: a token of the answer has to fit too. */
export function longestPrompt(shape: Shape, contextLength: number): number {
  return Math.min(shape.maxPromptTokens, shape.contextLength - 1, contextLength - 1);
}

/**
 * Why a request does not fit a shape; undefined where it does. An answer of unknown length counts as one token; more
 * than the request's own context leaves is cut on every device and speaks against none.
 * @param longest the longest prompt taken here: longestPrompt, or the routing threshold where that is less
 */
export function misfit(shape: Shape, longest: number, extent: Extent): "prompt" | "output" | undefined {
  const { promptTokens, outputTokens = 1, contextLength } = extent;
  if (promptTokens > longest) return "prompt";
  return Math.min(promptTokens + outputTokens, contextLength) > shape.contextLength ? "output" : undefined;
}

/**
 * Tokens that an answer may have: what was asked for, or the setting's bound where nothing was, and never more than
 * shape and context leave. At least 1.
 */
export function outputTokens(shape: Shape, extent: Extent, limits: Limits): number {
  const room = Math.min(shape.contextLength, extent.contextLength) - extent.promptTokens;
  return Math.max(1, Math.min(extent.outputTokens ?? Math.min(limits.maxOutput, LONGEST_UNASKED), room));
}

/** The error of a prompt that is too long. `where` completes the sentence "… takes at most N": "this model on CPU". */
export function promptTooLong(promptTokens: number, where: string, most: number): ProxyError {
  return new ProxyError(
    "context_length_exceeded",
    `The prompt has ${promptTokens} tokens and ${where} takes at most ${most}. Shorten the prompt or the conversation.`,
    { param: "messages", limit: most },
  );
}
