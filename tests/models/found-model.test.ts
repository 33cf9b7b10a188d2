import { describe, expect, test } from "bun:test";
import { parseFoundModel } from "../../src/models/hub/found-model.ts";
import { GRAPH } from "../support/search-scene.ts";

describe("a model's kind and quantization", () => {
  const entry = {
    name: "a/b",
    updatedAt: new Date(0),
    downloads: 1,
    likes: 1,
    gated: false,
    tags: [],
    filePaths: GRAPH,
  };
  test.each([
    [{ task: "text-generation" }, "llm", ""],
    [{ name: "a/bge-reranker-base-int8-ov", task: "text-classification" }, "rerank", "INT8"],
    [{ name: "a/Qwen3-Embedding-0.6B-fp16-ov", task: "text-generation" }, "embedding", "FP16"],
    [{ name: "a/all-MiniLM-L6-v2-openvino" }, "embedding", ""],
    [{ filePaths: [...GRAPH, "modules.json"], task: "text-generation" }, "embedding", ""],
    [{ filePaths: [...GRAPH, "openvino_vision_embeddings_model.xml"] }, "vlm", ""],
    [{ name: "a/whisper-tiny-int4-ov", task: "automatic-speech-recognition" }, "speech", "INT4"],
    [{ name: "a/model-nf4-ov" }, "llm", "NF4"],
    [{ tags: ["8-bit"] }, "llm", "INT8"],
    [{ filePaths: ["x.Q5_K_S.gguf"] }, "llm", "Q5_K_S"],
    [{ filePaths: ["x-Q4_0.gguf", "x-Q8_0.gguf"] }, "llm", ""],
  ])("%p", (facts, kind, quantization) => {
    expect(parseFoundModel({ ...entry, ...facts })).toMatchObject({ kind, quantization });
  });

  test.each([
    [{ task: "text-to-image" }],
    [{ task: "object-detection" }],
    [{ name: "no-organisation" }],
    [{ name: "../../etc/passwd" }],
    [{ name: 5 }],
    [{ updatedAt: new Date("nonsense") }],
  ])("what is no such model is left out: %p", (facts) => {
    expect(parseFoundModel({ ...entry, ...facts })).toBeUndefined();
  });
});
