import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createHub } from "../../src/models/hub/hub.ts";
import { inspectModel } from "../../src/models/inspect/inspect.ts";
import { inspectRemote } from "../../src/models/inspect/inspect-remote.ts";
import { DEMO, temporaryFolder } from "../support/demo.ts";
import { alphabetFile } from "../support/gguf.ts";
import { startHub } from "../support/hub.ts";

const demo = Object.fromEntries(readdirSync(DEMO).map((name) => [name, join(DEMO, name)]));

/** What the hub tells of a repository with these files, and the paths that were asked for. */
async function inspect(files: Readonly<Record<string, string | Uint8Array>>, repository = "test/model") {
  using server = await startHub();
  using folder = temporaryFolder();
  const { commit } = server.addRepository(repository, { files });
  const hub = createHub({ endpoint: server.url, cacheDirectory: folder.path, observer: { log: () => undefined } });
  const { signal } = new AbortController();
  const facts = await inspectRemote(hub, repository, commit, await hub.files(repository, commit, signal), signal);
  return { facts, asked: server.requests.map(({ path }) => path), bytesSent: server.bytesSent };
}

const text = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

describe("a model on the hub", () => {
  test("is told as its folder would be, without its weights and graphs", async () => {
    const { facts, asked } = await inspect(demo);
    const local = await inspectModel("demo:latest", DEMO);
    for (const key of ["kind", "family", "architecture", "contextLength", "embeddingLength", "chatTemplate"] as const)
      expect(facts[key]).toEqual(local[key]);
    for (const key of ["capabilities", "templateSupport", "defaults", "size", "format"] as const)
      expect(facts[key]).toEqual(local[key]);
    expect(facts.parameters).toBeUndefined();
    expect(asked.filter((path) => /\.(xml|bin)/.test(path))).toEqual([]);
  });

  const quantizations: [repository: string, config: object | undefined, expected: object][] = [
    ["OpenVINO/Qwen3-8B-int4-cw-ov", undefined, { quantization: "INT4", groupSize: -1, symmetric: true }],
    ["OpenVINO/phi-2-int8-ov", undefined, { quantization: "INT8" }],
    ["OpenVINO/phi-2-fp16-ov", undefined, { quantization: "F16" }],
    [
      "OpenVINO/phi-2-int8-ov",
      { quantization_config: { bits: 4, sym: false, group_size: 64 } },
      { quantization: "INT4", groupSize: 64, symmetric: false },
    ],
  ];
  for (const [repository, config, expected] of quantizations)
    test(`${repository} ${config ? "with" : "without"} its openvino_config.json`, async () => {
      const files = { ...demo, ...(config && { "openvino_config.json": text(config) }) };
      expect((await inspect(files, repository)).facts).toMatchObject(expected);
    });

  test("an embedder: pooling, length of the vector and of the input", async () => {
    const { facts } = await inspect({
      "config.json": text({ model_type: "bert", architectures: ["BertModel"], max_position_embeddings: 512 }),
      "1_Pooling/config.json": text({ word_embedding_dimension: 384, pooling_mode_cls_token: true }),
      "sentence_bert_config.json": text({ max_seq_length: 128 }),
      "model.safetensors": new Uint8Array(8),
    });
    expect(facts).toMatchObject({ kind: "embedding", pooling: "cls", embeddingLength: 384, contextLength: 128 });
    expect(facts.format).toBeUndefined();
  });

  test("a GGUF file: its header alone", async () => {
    const padding = new Uint8Array(16 << 20);
    const { facts, bytesSent } = await inspect({ "model-Q8_0.gguf": Buffer.concat([alphabetFile(), padding]) });
    expect(facts).toMatchObject({ format: "gguf", quantization: "Q8_0", contextLength: 512, parameters: 361_440 });
    expect(bytesSent).toBeLessThan(12 << 20);
  });

  test("a hub that falls silent in the middle of a header is given up", async () => {
    using server = await startHub();
    using folder = temporaryFolder();
    const { commit } = server.addRepository("test/model", { files: { "model-Q8_0.gguf": alphabetFile() } });
    server.fault({ path: "model-Q8_0.gguf" }, { stall: true });
    const observer = { log: () => undefined };
    const hub = createHub({ endpoint: server.url, cacheDirectory: folder.path, observer, stallMs: 50 });
    const { signal } = new AbortController();
    const files = await hub.files("test/model", commit, signal);
    await expect(inspectRemote(hub, "test/model", commit, files, signal)).rejects.toMatchObject({
      code: "hub_unreachable",
      message: expect.stringContaining("has sent nothing of model-Q8_0.gguf"),
    });
  });

  test("what cannot be served is told before anybody pulls it", async () => {
    const file = alphabetFile({ "general.architecture": ["general.architecture", "string", "gemma3"] });
    const refused = { code: "model_invalid", message: expect.stringMatching(/'test\/model' cannot be served.*gemma3/) };
    await expect(inspect({ "a.gguf": file })).rejects.toMatchObject(refused);
    const broken = { code: "model_invalid", message: expect.stringContaining("config.json is no JSON object") };
    await expect(inspect({ ...demo, "config.json": Buffer.from("[") })).rejects.toMatchObject(broken);
  });
});
