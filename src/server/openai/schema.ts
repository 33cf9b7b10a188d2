/** OpenAI's request bodies. Messages are predicates: body.ts puts the field's path before them. */
import * as v from "valibot";
import { MAX_STOP_LENGTH, MAX_STOPS } from "../sampling.ts";
import { type Unsupported, unused, unusedOr } from "../unsupported.ts";

const text = v.string("must be a string");
const flag = v.nullish(v.boolean("must be true or false"));

function number(min: number, max: number) {
  const message = `must be a number between ${min} and ${max}`;
  return v.nullish(v.pipe(v.number(message), v.minValue(min, message), v.maxValue(max, message)));
}

function integer(min: number, max: number, message: string) {
  return v.nullish(v.pipe(v.number(message), v.integer(message), v.minValue(min, message), v.maxValue(max, message)));
}

const tokens = integer(1, Number.MAX_SAFE_INTEGER, "must be an integer of at least 1");

const part = v.looseObject({ type: text, text: v.optional(text) }, "must be an object with a type");
const content = v.nullish(v.union([v.string(), v.array(part)], "must be a string or an array of parts"));

export const ROLES = ["system", "developer", "user", "assistant", "tool"] as const;

const message = v.looseObject(
  { role: v.picklist(ROLES, `must be one of ${ROLES.join(", ")}`), content },
  "must be an object with role and content",
);

const stopText = v.pipe(v.string(), v.maxLength(MAX_STOP_LENGTH));

export const chatRequest = v.looseObject({
  model: v.pipe(text, v.nonEmpty("is required")),
  messages: v.pipe(v.array(message, "must be an array of messages"), v.minLength(1, "must have at least one message")),
  stream: flag,
  stream_options: v.nullish(v.looseObject({ include_usage: flag }, "must be an object")),
  temperature: number(0, 2),
  top_p: number(0, 1),
  top_k: integer(-1, 1e9, "must be an integer of at least -1"),
  seed: integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "must be an integer of at most 53 bits"),
  presence_penalty: number(-2, 2),
  frequency_penalty: number(-2, 2),
  max_tokens: tokens,
  max_completion_tokens: tokens,
  // Not OpenAI's but vLLM's: the two that make an answer as long as a benchmark needs it.
  min_tokens: integer(0, Number.MAX_SAFE_INTEGER, "must be an integer of at least 0"),
  ignore_eos: flag,
  stop: v.nullish(
    v.union(
      [stopText, v.pipe(v.array(stopText), v.maxLength(MAX_STOPS))],
      `must be a string or an array of up to ${MAX_STOPS} strings, each of at most ${MAX_STOP_LENGTH} characters`,
    ),
  ),
});

export type ChatRequest = v.InferOutput<typeof chatRequest>;

export const UNSUPPORTED: Unsupported = {
  tools: unused,
  functions: unused,
  tool_choice: unusedOr("none", "auto"),
  function_call: unusedOr("none", "auto"),
  response_format: (value) => unused(value) || (value as { type?: unknown }).type === "text",
  n: (value) => value === null || value === 1,
  logprobs: unused,
  top_logprobs: unused,
  logit_bias: unused,
  modalities: (value) => unused(value) || (Array.isArray(value) && value.every((kind) => kind === "text")),
  audio: unused,
  web_search_options: (value) => value === null,
};
