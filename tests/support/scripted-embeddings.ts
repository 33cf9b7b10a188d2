import type {
  Embeddings,
  EmbedRequest,
  EncoderInput,
  Ranking,
  RerankRequest,
} from "../../src/core/embedding/embedding.ts";
import { ProxyError } from "../../src/core/errors.ts";
import type { Model } from "../../src/core/model.ts";
import type { DeviceInfo } from "../../src/core/request.ts";

const CPU: DeviceInfo = { name: "CPU", fullName: "A processor", emulated: false };

export const EMBEDDER: Model = {
  name: "minilm:latest",
  directory: "/secret/models/minilm",
  digest: "cd".repeat(32),
  size: 45_000_000,
  modified: new Date("2026-01-02T03:04:05.678Z"),
  family: "bert",
  parameterSize: "22.7M",
  quantization: "F16",
  contextLength: 256,
  embeddingLength: 4,
  chatTemplate: "",
  defaults: {},
  kind: "embedding",
  architecture: "BertModel",
  parameters: 22_700_000,
  format: "openvino",
  capabilities: ["embedding"],
  pooling: "mean",
  instructions: { query: "query: ", document: "passage: " },
  fitness: [
    { device: "NPU", fits: true, reason: "" },
    { device: "GPU", fits: true, reason: "" },
    { device: "CPU", fits: true, reason: "" },
  ],
};

export const RANKER: Model = {
  ...EMBEDDER,
  name: "ranker:latest",
  kind: "rerank",
  architecture: "BertForSequenceClassification",
  capabilities: ["rerank"],
};

/** Longest text that the scripted embedder takes, in characters, each of which is a token. */
const LONGEST = 100;

/** Four numbers that tell texts apart; not of length 1. */
export function vectorOf(input: EncoderInput, dimensions = 4): Float32Array {
  const text = typeof input === "string" ? input : `ids:${input.join(",")}`;
  let seed = 2_166_136_261;
  for (const byte of new TextEncoder().encode(text)) seed = Math.imul(seed ^ byte, 16_777_619);
  const next = (): number => {
    seed = Math.imul(seed ^ (seed >>> 15), 2_246_822_519) + 1;
    return (seed >>> 0) / 2 ** 31 - 1 + 1e-3;
  };
  return Float32Array.from({ length: 4 }, next).subarray(0, dimensions);
}

/** What a runtime with the embedder on the CPU answers. @throws ProxyError context_length_exceeded */
export function scriptedEmbeddings({ inputs, truncate, dimensions }: EmbedRequest): Embeddings {
  const tooLong = inputs.filter(({ length }) => length > LONGEST).length;
  if (tooLong > 0 && !truncate)
    throw new ProxyError("context_length_exceeded", `A text is longer than ${LONGEST} tokens.`, { limit: LONGEST });
  return {
    model: EMBEDDER,
    device: CPU,
    routed: CPU,
    reason: "fixed",
    loadNs: 1_000_000,
    vectors: inputs.map((input) => vectorOf(input, dimensions)),
    tokens: inputs.map(({ length }) => Math.min(length, LONGEST)),
    truncated: tooLong,
    cached: 0,
    fallback: false,
  };
}

/** Documents that have more letters of the query are better. */
export function scriptedRanking({ query, documents }: RerankRequest): Ranking {
  const letters = new Set(query);
  return {
    model: RANKER,
    device: CPU,
    routed: CPU,
    reason: "fixed",
    loadNs: 0,
    scores: documents.map((document) => new Set([...document].filter((letter) => letters.has(letter))).size / 32),
    tokens: documents.reduce((sum, document) => sum + query.length + document.length, 0),
  };
}
