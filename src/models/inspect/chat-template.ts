/** Where a model's chat template is: in the order in which GenAI takes it (tried with 2026.4). */
import { type Json, jsonObject, readJsonObject } from "./json-file.ts";

/** The names of the files that may hold one. */
const TEMPLATE_FILES = ["chat_template.jinja", "chat_template.json", "tokenizer_config.json"] as const;

/**
 * 1. what was baked into openvino_tokenizer.xml, 2. chat_template.jinja, 3. chat_template.json, 4. tokenizer_config.json,
 * of several named ones "default". "" where there is none.
 * @param read the text of a file of the model; undefined where it has none
 * @throws Error "tokenizer_config.json is no JSON object"
 */
export async function chatTemplateOf(
  read: (file: string) => Promise<string | undefined>,
  baked: string | undefined,
): Promise<string> {
  if (baked !== undefined && baked !== "") return baked;
  for (const file of TEMPLATE_FILES) {
    const found = file.endsWith(".jinja") ? await read(file) : templateIn(await readJsonObject(read, file));
    if (found !== undefined && found !== "") return found;
  }
  return "";
}

function templateIn(config: Json | undefined): string | undefined {
  const template = config?.["chat_template"];
  const found = Array.isArray(template)
    ? template.map(jsonObject).find((entry) => entry?.["name"] === "default")?.["template"]
    : template;
  return typeof found === "string" ? found : undefined;
}
