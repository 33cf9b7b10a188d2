/**
 * What the user set for single models: `models.json` in the config folder, by name:
 * { "phi-3": { "prompt_lookup": true, "draft_model": "phi-3-draft", "npu_max_prompt_len": 8192, "pin": true } }
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { ProxyError } from "../core/errors.ts";
import type { ModelTuning } from "../core/model.ts";

const tokens = v.pipe(
  v.number(),
  v.safeInteger("Expected a whole number of tokens"),
  v.minValue(1, "Expected 1 token or more"),
);
const entry = v.strictObject({
  prompt_lookup: v.optional(v.boolean()),
  draft_model: v.optional(v.string()),
  chat_template: v.optional(v.string()),
  npu_token_limit: v.optional(tokens),
  npu_max_prompt_len: v.optional(tokens),
  npu_min_response_len: v.optional(tokens),
  pin: v.optional(v.boolean()),
});
const file = v.record(v.string(), entry);

export type TuningEntry = v.InferOutput<typeof entry>;

/** @throws ProxyError invalid_setting, naming what in the file is wrong */
export function readTuning(configDirectory: string): ReadonlyMap<string, TuningEntry> {
  const path = join(configDirectory, "models.json");
  if (!existsSync(path)) return new Map();
  const refuse = (what: string): ProxyError =>
    new ProxyError("invalid_setting", `models.json in the config folder: ${what}. Correct it or remove it.`);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    throw refuse("it is no JSON");
  }
  const parsed = v.safeParse(file, content);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw refuse(`${v.getDotPath(issue) ?? "its content"}: ${issue.message}`);
  }
  return new Map(
    Object.entries(parsed.output).map(([name, value]) => [name.toLowerCase().replace(/:latest$/, ""), value]),
  );
}

/** What an entry sets, the draft model apart, which the store has to find. */
export function tuningFrom(entry: TuningEntry): Omit<ModelTuning, "draft"> {
  const limits = {
    ...(entry.npu_token_limit !== undefined && { tokenLimit: entry.npu_token_limit }),
    ...(entry.npu_max_prompt_len !== undefined && { maxPromptTokens: entry.npu_max_prompt_len }),
    ...(entry.npu_min_response_len !== undefined && { minResponseTokens: entry.npu_min_response_len }),
  };
  return {
    ...(entry.chat_template !== undefined && { chatTemplate: entry.chat_template }),
    ...(entry.prompt_lookup !== undefined && { promptLookup: entry.prompt_lookup }),
    ...(Object.keys(limits).length > 0 && { limits }),
    ...(entry.pin !== undefined && { pin: entry.pin }),
  };
}
