/** OpenAI's request bodies. Messages are predicates: body.ts puts the field's path before them. */
import * as v from "valibot";
import { MAX_STOP_LENGTH, MAX_STOPS } from "../../core/sampling.ts";
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

const nonNegative = integer(0, Number.MAX_SAFE_INTEGER, "must be an integer of at least 0");
const source = v.nullish(text);
const object = v.custom<Readonly<Record<string, unknown>>>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "must be an object",
);
/** A schema or a structural tag: itself or its JSON. */
const json = v.nullish(v.union([v.string(), object], "must be an object or a string of JSON"));

/** Most answers to one request. */
export const MAX_CHOICES = 8;

const FORMATS = ["text", "json_object", "json_schema", "structural_tag"] as const;
const responseFormat = v.looseObject(
  {
    type: v.picklist(FORMATS, `must be one of ${FORMATS.join(", ")}`),
    json_schema: v.nullish(v.looseObject({ schema: v.nullish(object) }, "must be an object")),
  },
  "must be an object with a type",
);
export type ResponseFormat = v.InferOutput<typeof responseFormat>;

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
  n: integer(1, MAX_CHOICES, `must be an integer between 1 and ${MAX_CHOICES}`),
  logprobs: flag,
  top_logprobs: integer(0, 20, "must be an integer between 0 and 20"),
  response_format: v.nullish(responseFormat),
  stop: v.nullish(
    v.union(
      [stopText, v.pipe(v.array(stopText), v.maxLength(MAX_STOPS))],
      `must be a string or an array of up to ${MAX_STOPS} strings, each of at most ${MAX_STOP_LENGTH} characters`,
    ),
  ),
  // Not OpenAI's but vLLM's, by its names.
  min_p: number(0, 1),
  repetition_penalty: number(0.01, 100),
  min_tokens: nonNegative,
  ignore_eos: flag,
  structured_outputs: v.nullish(
    v.looseObject(
      { json, regex: source, grammar: source, structural_tag: json, json_object: flag },
      "must be an object",
    ),
  ),
  guided_json: json,
  guided_regex: source,
  guided_grammar: source,
  // Ollama's, by its names.
  keep_alive: v.nullish(v.union([v.number(), v.string()], 'must be a number of seconds or a duration such as "5m"')),
  num_ctx: v.nullish(v.number("must be a number of tokens")),
});

const FLOATS = ["float", "base64"] as const;

export const embeddingsRequest = v.looseObject({
  model: v.nullish(text),
  /** Judged by inputs.ts. */
  input: v.unknown(),
  encoding_format: v.nullish(v.picklist(FLOATS, `must be one of ${FLOATS.join(", ")}`), "float"),
  dimensions: integer(1, 1e6, "must be an integer between 1 and 1000000"),
  user: v.nullish(text),
  // Not OpenAI's: whether a text that is too long is cut, and what the texts are for.
  truncate: flag,
  input_type: v.nullish(text),
  keep_alive: v.nullish(v.union([v.number(), v.string()], 'must be a number of seconds or a duration such as "5m"')),
});

export type ChatRequest = v.InferOutput<typeof chatRequest>;

export const UNSUPPORTED: Unsupported = {
  tools: unused,
  functions: unused,
  tool_choice: unusedOr("none", "auto"),
  function_call: unusedOr("none", "auto"),
  logit_bias: unused,
  guided_choice: unused,
  modalities: (value) => unused(value) || (Array.isArray(value) && value.every((kind) => kind === "text")),
  audio: unused,
  web_search_options: (value) => value === null,
};
export const UNSUPPORTED_IN_STRUCTURED_OUTPUTS: Unsupported = { choice: unused };
