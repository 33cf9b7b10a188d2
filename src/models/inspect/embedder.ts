/** What an embedding model's sentence-transformers files say: how token vectors become one, and how long it is. */
import { type Json, jsonCount, jsonName, jsonObject, readJsonObject } from "./json-file.ts";

export interface Embedder {
  readonly pooling?: "mean" | "cls" | "last";
  /** Length of the vector. */
  readonly dimensions?: number;
  /** Tokens; a model may take fewer than it has positions for. */
  readonly longestInput?: number;
}

/**
 * Reads modules.json, the pooling and the dense module that it names, and sentence_bert_config.json.
 * @param read the text of a file of the model; undefined where it has none
 * @returns undefined where the model is none of sentence-transformers
 * @throws Error "modules.json is no JSON …", naming the file
 */
export async function readEmbedder(read: (file: string) => Promise<string | undefined>): Promise<Embedder | undefined> {
  const modules = await readModules(read);
  const pooling = await readJsonObject(read, `${modules?.get("Pooling") ?? "1_Pooling"}/config.json`);
  if (!modules && !pooling) return undefined;
  const dense = modules?.get("Dense");
  const denseConfig = dense === undefined ? undefined : await readJsonObject(read, `${dense}/config.json`);
  const limits = await readJsonObject(read, "sentence_bert_config.json");
  const mode = pooling && poolingOf(pooling);
  const dimensions = jsonCount(denseConfig?.["out_features"]) ?? jsonCount(pooling?.["word_embedding_dimension"]);
  const longestInput = jsonCount(limits?.["max_seq_length"]);
  return {
    ...(mode !== undefined && { pooling: mode }),
    ...(dimensions !== undefined && { dimensions }),
    ...(longestInput !== undefined && { longestInput }),
  };
}

/** Module class ("Pooling") to its folder; folders that are more than one name are not followed. */
async function readModules(
  read: (file: string) => Promise<string | undefined>,
): Promise<ReadonlyMap<string, string> | undefined> {
  const text = await read("modules.json");
  if (text === undefined) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    list = undefined;
  }
  if (!Array.isArray(list)) throw new Error("modules.json is no JSON array");
  const modules = new Map<string, string>();
  for (const entry of list.slice(0, 32)) {
    const path = jsonName(jsonObject(entry)?.["path"]);
    if (/^\w[\w.-]{0,79}$/.test(path)) modules.set(jsonName(jsonObject(entry)?.["type"]).split(".").at(-1) ?? "", path);
  }
  return modules;
}

function poolingOf(config: Json): Embedder["pooling"] {
  const named = config["pooling_mode"];
  if (config["pooling_mode_cls_token"] === true || named === "cls") return "cls";
  if (config["pooling_mode_lasttoken"] === true || named === "lasttoken" || named === "last") return "last";
  if (config["pooling_mode_mean_tokens"] === true || named === "mean") return "mean";
  return undefined;
}
