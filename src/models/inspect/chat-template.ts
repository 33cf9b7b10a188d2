/** Where a model's chat template is: in the order in which GenAI takes it (tried with 2026.4). */
import { jsonObject, parseJsonObject } from "./json-file.ts";

/** The names of the files that may hold one. */
export const TEMPLATE_FILES = ["chat_template.jinja", "chat_template.json", "tokenizer_config.json"] as const;

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
    const text = await read(file);
    const found = text === undefined || file.endsWith(".jinja") ? text : templateIn(file, text);
    if (found !== undefined && found !== "") return found;
  }
  return "";
}

function templateIn(file: string, text: string): string | undefined {
  try {
    const template = parseJsonObject(text)["chat_template"];
    const named = Array.isArray(template)
      ? template.map(jsonObject).find((entry) => entry?.["name"] === "default")
      : {};
    const found = Array.isArray(template) ? named?.["template"] : template;
    return typeof found === "string" ? found : undefined;
  } catch (error) {
    throw new Error(`${file} ${(error as Error).message}`);
  }
}
