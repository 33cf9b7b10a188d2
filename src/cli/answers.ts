/** The server's answers, as far as the commands read them; the rest passes through to --json, and nothing is added. */
import * as v from "valibot";

const details = v.looseObject({
  format: v.optional(v.string()),
  family: v.optional(v.string()),
  parameter_size: v.optional(v.string()),
  quantization_level: v.optional(v.string()),
});

const modelSummary = v.looseObject({ name: v.string(), digest: v.string(), size: v.number() });

export const versionAnswer = v.looseObject({ version: v.string() });

export const tagsAnswer = v.looseObject({
  models: v.array(v.looseObject({ ...modelSummary.entries, modified_at: v.string() })),
});

export const psAnswer = v.looseObject({
  models: v.array(
    v.looseObject({
      ...modelSummary.entries,
      size_vram: v.optional(v.number()),
      expires_at: v.optional(v.string()),
      context_length: v.optional(v.number()),
      processor: v.optional(v.string()),
      tuning: v.optional(v.array(v.string())),
    }),
  ),
});

export const showAnswer = v.looseObject({
  details: v.optional(details),
  model_info: v.optional(v.record(v.string(), v.unknown())),
  capabilities: v.optional(v.array(v.string())),
  parameters: v.optional(v.string()),
  license: v.optional(v.string()),
});

export const devicesAnswer = v.looseObject({
  device_probe_error: v.optional(v.string()),
  devices: v.array(
    v.looseObject({
      name: v.string(),
      full_name: v.string(),
      driver: v.optional(v.string()),
      architecture: v.optional(v.string()),
      precisions: v.optional(v.array(v.string())),
    }),
  ),
});

/** One line of a streamed /api/chat; durations in nanoseconds. */
export const chatLine = v.looseObject({
  error: v.optional(v.string()),
  message: v.optional(v.looseObject({ content: v.optional(v.string(), "") })),
  done: v.optional(v.boolean(), false),
  prompt_eval_count: v.optional(v.number(), 0),
  prompt_eval_duration: v.optional(v.number(), 0),
  eval_count: v.optional(v.number(), 0),
  eval_duration: v.optional(v.number(), 0),
  load_duration: v.optional(v.number(), 0),
});

export const errorAnswer = v.object({ error: v.string() });
