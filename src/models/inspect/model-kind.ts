/** What kind of model a folder's files make, and which of them it needs. */
import type { ModelKind } from "../../core/model.ts";

export interface KindFacts {
  readonly names: readonly string[];
  readonly architecture: string;
  readonly family: string;
  /** It has the files of sentence-transformers. */
  readonly embedder: boolean;
  /** Its graph has an output of that name; undefined where the graph was not read. */
  readonly hasLogits?: boolean | undefined;
}

const TOKENIZER = ["openvino_tokenizer.xml", "openvino_tokenizer.bin"];
const DETOKENIZER = ["openvino_detokenizer.xml", "openvino_detokenizer.bin"];
const graph = (...names: string[]): string[] => names.flatMap((name) => [`${name}.xml`, `${name}.bin`]);

/** Files without which a model of a kind cannot run. */
export const REQUIRED: Readonly<Record<ModelKind, readonly string[]>> = {
  llm: ["config.json", ...graph("openvino_model"), ...TOKENIZER, ...DETOKENIZER],
  embedding: ["config.json", ...graph("openvino_model"), ...TOKENIZER],
  rerank: ["config.json", ...graph("openvino_model"), ...TOKENIZER],
  vlm: [
    "config.json",
    ...graph("openvino_language_model", "openvino_text_embeddings_model", "openvino_vision_embeddings_model"),
    ...TOKENIZER,
    ...DETOKENIZER,
  ],
  speech: ["config.json", ...graph("openvino_encoder_model", "openvino_decoder_model"), ...TOKENIZER, ...DETOKENIZER],
};

/** 1. by the graphs that it is split into, 2. by its head, 3. by what makes sentences of its tokens, 4. by its output. */
export function kindOf({ names, architecture, family, embedder, hasLogits }: KindFacts): ModelKind {
  if (names.includes("openvino_language_model.xml")) return "vlm";
  if (names.includes("openvino_encoder_model.xml")) return "speech";
  if (/ForSequenceClassification$/.test(architecture)) return "rerank";
  if (embedder || hasLogits === false) return "embedding";
  if (/Model$/.test(architecture) && /bert|roberta|mpnet|minilm/.test(family)) return "embedding";
  return "llm";
}
