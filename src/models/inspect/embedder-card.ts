/** What an embedder's makers say of its use: what goes before a text, and whether shorter vectors mean something. */
import type { Model } from "../../core/model.ts";
import { type Json, jsonObject, readJsonObject } from "./json-file.ts";
import { knownEmbedder } from "./known-embedders.ts";

export type EmbedderCard = Pick<Model, "instructions" | "shortens">;

/** Names of prompts, as sentence-transformers and the makers of models use them, by what they are for. */
const PROMPTS = {
  query: ["query", "s2p_query", "search_query", "retrieval.query"],
  document: ["document", "passage", "corpus", "search_document", "retrieval.passage"],
} as const;

const LONGEST_INSTRUCTION = 4096;

/**
 * Reads the prompts of config_sentence_transformers.json, and of config.json and the model card whether it was trained for
 * shorter vectors; what no file tells of a well-known model, a table does.
 * @param read the text of a file of the model; undefined where it has none
 * @param repository where it came from, where that is known
 * @throws Error "config_sentence_transformers.json is no JSON object"
 */
export async function readEmbedderCard(
  read: (file: string) => Promise<string | undefined>,
  repository: string | undefined,
): Promise<EmbedderCard> {
  const own = instructionsOf((await readJsonObject(read, "config_sentence_transformers.json")) ?? {});
  const known = knownEmbedder(repository ?? "");
  const instructions = own ?? known?.instructions;
  const shortens =
    known?.shortens ||
    saysMatryoshka((await readJsonObject(read, "config.json")) ?? {}) ||
    isTagged((await read("README.md").catch(() => undefined)) ?? "");
  return { ...(instructions && { instructions }), ...(shortens && { shortens: true }) };
}

/** Undefined where it has none. An empty prompt is none. */
function instructionsOf(config: Json): EmbedderCard["instructions"] {
  const prompts = jsonObject(config["prompts"]) ?? {};
  const said = (purpose: keyof typeof PROMPTS): string | undefined => {
    const text = PROMPTS[purpose].map((name) => prompts[name]).find((prompt) => typeof prompt === "string");
    return typeof text === "string" && text !== "" && text.length <= LONGEST_INSTRUCTION ? text : undefined;
  };
  const [query, document] = [said("query"), said("document")];
  if (query === undefined && document === undefined) return undefined;
  const name = config["default_prompt_name"];
  const usual = (["query", "document"] as const).find((purpose) => PROMPTS[purpose].some((other) => other === name));
  return {
    ...(query !== undefined && { query }),
    ...(document !== undefined && { document }),
    ...(usual !== undefined && { default: usual }),
  };
}

/** Both keys are those that vLLM looks for. */
function saysMatryoshka(config: Json): boolean {
  const dimensions = config["matryoshka_dimensions"];
  return config["is_matryoshka"] === true || (Array.isArray(dimensions) && dimensions.length > 0);
}

/** sentence-transformers writes the loss that a model was trained with among the tags of its card. */
function isTagged(card: string): boolean {
  const [, header = ""] = /^---\r?\n([\s\S]{0,200000}?)\r?\n---/.exec(card) ?? [];
  return /^\s*-\s*["']?(?:loss:)?matryoshka\w*["']?\s*$/im.test(header);
}
