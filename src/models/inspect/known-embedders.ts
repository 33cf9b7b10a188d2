/** What the cards of well-known embedders say in words, and no file of theirs in a form that can be read. */
import type { Model } from "../../core/model.ts";

export interface KnownEmbedder {
  readonly instructions?: Model["instructions"];
  readonly shortens?: true;
}

const SEARCH = "Represent this sentence for searching relevant passages: ";

/** By the name of the repository, whoever converted it: "bge-small-en-v1.5-int8-ov". From the cards of the models named. */
const KNOWN: readonly (readonly [repository: RegExp, known: KnownEmbedder])[] = [
  // BAAI/bge-small-en-v1.5: a query that looks for passages has the instruction, passages have none.
  [/^bge-(?:small|base|large)-en(?:-|$)/i, { instructions: { query: SEARCH } }],
  // intfloat/e5-small-v2, intfloat/multilingual-e5-small: both sides have theirs; the -instruct models are others.
  [
    /^(?:multilingual-)?e5-(?:small|base|large)(?!.*instruct)(?:-|$)/i,
    { instructions: { query: "query: ", document: "passage: " } },
  ],
  // nomic-ai/nomic-embed-text-v1 and v1.5; v1.5 was trained for 768, 512, 256, 128 and 64 dimensions.
  [
    /^nomic-embed-text-v1\.5/i,
    { instructions: { query: "search_query: ", document: "search_document: " }, shortens: true },
  ],
  [/^nomic-embed-text-v1(?:-|$)/i, { instructions: { query: "search_query: ", document: "search_document: " } }],
  [/^nomic-embed-text-v2/i, { shortens: true }],
  // mixedbread-ai/mxbai-embed-large-v1
  [/^mxbai-embed-large-v1/i, { instructions: { query: SEARCH }, shortens: true }],
  // Snowflake/snowflake-arctic-embed-m-v1.5, -m-v2.0 and -l-v2.0
  [/^snowflake-arctic-embed-[ml]-v(?:1\.5|2\.0)/i, { shortens: true }],
  // Qwen/Qwen3-Embedding-0.6B: any length from 32 on
  [/^Qwen3-Embedding-/i, { shortens: true }],
  // google/embeddinggemma-300m: 768, 512, 256 and 128
  [/^embeddinggemma-/i, { shortens: true }],
];

/** @param repository "BAAI/bge-small-en-v1.5"; undefined: none of these */
export function knownEmbedder(repository: string): KnownEmbedder | undefined {
  const name = repository.split("/").at(-1) ?? "";
  return KNOWN.find(([pattern]) => pattern.test(name))?.[1];
}
