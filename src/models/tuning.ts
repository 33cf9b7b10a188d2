/**
 * What the user set for single models: `models.json` in the config folder, by name:
 * { "phi-3": { "prompt_lookup": true, "draft_model": "phi-3-draft", "chat_template": "{% for … %}" } }
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { ProxyError } from "../core/errors.ts";

const entry = v.strictObject({
  prompt_lookup: v.optional(v.boolean()),
  draft_model: v.optional(v.string()),
  chat_template: v.optional(v.string()),
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
