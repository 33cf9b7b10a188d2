/** Ollama's request bodies. Messages are predicates: body.ts puts the field's path before them. */
import * as v from "valibot";
import { type Unsupported, unused } from "../unsupported.ts";

export const text = v.string("must be a string");
const model = v.pipe(text, v.nonEmpty("is required"));
export const flag = v.nullish(v.boolean("must be true or false"));
const keepAlive = v.nullish(
  v.union([v.number(), v.string()], 'must be a number of seconds or a duration such as "5m"'),
);
// Not v.record: it takes an array for an object.
const options = v.nullish(
  v.custom<Record<string, unknown>>((value) => typeof value === "object" && !Array.isArray(value), "must be an object"),
);

const TOP_LOGPROBS = "must be between 0 and 20";
const topLogprobs = v.nullish(
  v.pipe(v.number(TOP_LOGPROBS), v.minValue(0, TOP_LOGPROBS), v.maxValue(20, TOP_LOGPROBS)),
);

export const ROLES = ["system", "user", "assistant", "tool"] as const;

export const message = v.looseObject(
  {
    role: v.picklist(ROLES, `must be one of ${ROLES.join(", ")}`),
    content: v.nullish(text, ""),
  },
  "must be an object with role and content",
);

export const chatRequest = v.looseObject({
  model,
  truncate: flag,
  messages: v.nullish(v.array(message, "must be an array of messages"), []),
  stream: flag,
  format: v.optional(v.unknown()),
  options,
  logprobs: flag,
  top_logprobs: topLogprobs,
  keep_alive: keepAlive,
});

export const generateRequest = v.looseObject({
  model,
  truncate: flag,
  prompt: v.nullish(text, ""),
  system: v.nullish(text, ""),
  raw: flag,
  stream: flag,
  format: v.optional(v.unknown()),
  options,
  logprobs: flag,
  top_logprobs: topLogprobs,
  keep_alive: keepAlive,
});

const countOrNone = "must be an integer of at least 0";
const embedding = {
  model: v.nullish(text),
  options,
  keep_alive: keepAlive,
  /** Ours: "query" or "document"; also in the options, where a client has no field for it. */
  input_type: v.nullish(text),
};

/** `input` is judged by whoever reads it: Ollama has words of its own for a wrong one. */
export const embedRequest = v.looseObject({
  ...embedding,
  input: v.optional(v.unknown()),
  truncate: flag,
  /** 0: all of them. */
  dimensions: v.nullish(
    v.pipe(v.number(countOrNone), v.integer(countOrNone), v.minValue(0, countOrNone), v.maxValue(1e6, countOrNone)),
  ),
});

export const embeddingsRequest = v.looseObject({ ...embedding, prompt: v.nullish(text, "") });

const UNSUPPORTED: Unsupported = { _debug_render_only: unused };
export const UNSUPPORTED_IN_CHAT: Unsupported = { ...UNSUPPORTED, tools: unused };
export const UNSUPPORTED_IN_MESSAGE: Unsupported = { images: unused };
export const UNSUPPORTED_IN_GENERATE: Unsupported = {
  ...UNSUPPORTED,
  images: unused,
  suffix: unused,
  template: unused,
  context: unused,
};
