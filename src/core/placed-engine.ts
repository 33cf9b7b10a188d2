/** What a placement holds: an engine that generates, or one that encodes. Which of the two, its model says. */
import type { EncoderEngine } from "./embedding/embedding.ts";
import type { Model } from "./model.ts";
import type { Engine } from "./ports.ts";

export type PlacedEngine = Engine | EncoderEngine;

/** Embedders and rerankers: their engine batches by itself, and keeps nothing of a request behind its answer. */
export function isEncoder({ kind }: Pick<Model, "kind">): boolean {
  return kind === "embedding" || kind === "rerank";
}

export function isEncoderEngine(engine: PlacedEngine): engine is EncoderEngine {
  return "kind" in engine;
}
