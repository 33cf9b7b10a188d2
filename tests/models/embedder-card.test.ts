/** What goes before a text, and whether shorter vectors mean something: by an embedder's own files, and by a small table. */
import { describe, expect, test } from "bun:test";
import type { Model } from "../../src/core/model.ts";
import { inspectModel } from "../../src/models/inspect/inspect.ts";
import { inspectRemote } from "../../src/models/inspect/inspect-remote.ts";
import { writeManifest } from "../../src/models/store/manifest.ts";
import { temporaryFolder } from "../support/demo.ts";
import { type Files, inspect, LLM_FILES, refusal, writeModel } from "../support/ir.ts";

const CONFIG = { architectures: ["BertModel"], model_type: "bert", hidden_size: 384, max_position_embeddings: 512 };
const BERT: Files = {
  "config.json": JSON.stringify(CONFIG),
  openvino_model: { output: "last_hidden_state", attentions: 0 },
  openvino_detokenizer: undefined,
};
const prompts = (content: object): Files => ({
  ...BERT,
  "config_sentence_transformers.json": JSON.stringify(content),
});

/** As it is inspected where the store says that it came from this repository. */
async function pulled(repository: string, files: Files = {}): Promise<Model> {
  using folder = temporaryFolder();
  writeModel(folder.path, { ...LLM_FILES, ...BERT, ...files });
  const source = { hub: "hub.example", repository, revision: "main", commit: "0".repeat(40) };
  await writeManifest(folder.path, { version: 1, name: "m:latest", source, files: [], digest: "0".repeat(64) });
  return await inspectModel("m:latest", folder.path);
}

describe("instructions", () => {
  const cases: [what: string, config: object, expected: Model["instructions"]][] = [
    ["of both sides", { prompts: { query: "q: ", document: "d: " } }, { query: "q: ", document: "d: " }],
    [
      "by the names that others use",
      { prompts: { s2p_query: "find ", passage: "p: " } },
      { query: "find ", document: "p: " },
    ],
    ["the usual one", { prompts: { query: "q: " }, default_prompt_name: "query" }, { query: "q: ", default: "query" }],
    ["no usual one", { prompts: { query: "q: " }, default_prompt_name: null }, { query: "q: " }],
    ["that are empty", { prompts: { query: "", document: "" }, default_prompt_name: "document" }, undefined],
    ["of other tasks alone", { prompts: { STS: "compare: " } }, undefined],
    ["that are no texts", { prompts: { query: 7, document: ["d"] } }, undefined],
    ["that nobody can mean", { prompts: { query: "q".repeat(5000) } }, undefined],
    ["none", {}, undefined],
  ];
  for (const [what, config, expected] of cases)
    test(what, async () => {
      expect((await inspect(prompts(config))).instructions).toEqual(expected as never);
    });

  test("of well-known models that say them in their cards alone, whoever converted them", async () => {
    const search = "Represent this sentence for searching relevant passages: ";
    expect((await pulled("BAAI/bge-small-en-v1.5")).instructions).toEqual({ query: search });
    expect((await pulled("OpenVINO/bge-base-en-v1.5-int8-ov")).instructions).toEqual({ query: search });
    const both = { query: "query: ", document: "passage: " };
    expect((await pulled("intfloat/multilingual-e5-small")).instructions).toEqual(both);
    for (const other of ["intfloat/multilingual-e5-large-instruct", "BAAI/bge-m3", "someone/my-bge-small-en"])
      expect((await pulled(other)).instructions).toBeUndefined();
  });

  test("its own files know better", async () => {
    const model = await pulled("BAAI/bge-small-en-v1.5", prompts({ prompts: { query: "own: " } }));
    expect(model.instructions).toEqual({ query: "own: " });
  });

  test("a file that is none is named", async () => {
    expect(await refusal({ ...BERT, "config_sentence_transformers.json": "[]" })).toContain(
      "config_sentence_transformers.json is no JSON object",
    );
  });
});

describe("shorter vectors", () => {
  const card = (tag: string): Files => ({ ...BERT, "README.md": `---\ntags:\n- a\n- ${tag}\n---\n# Model\n` });
  const cases: [what: string, files: Files, expected: true | undefined][] = [
    ["by config.json", { ...BERT, "config.json": JSON.stringify({ ...CONFIG, is_matryoshka: true }) }, true],
    ["by its list", { ...BERT, "config.json": JSON.stringify({ ...CONFIG, matryoshka_dimensions: [64, 128] }) }, true],
    [
      "not by an empty list",
      { ...BERT, "config.json": JSON.stringify({ ...CONFIG, matryoshka_dimensions: [] }) },
      undefined,
    ],
    ["by the loss among the card's tags", card("loss:MatryoshkaLoss"), true],
    ["by a tag", card('"matryoshka"'), true],
    ["not by another loss", card("loss:CosineSimilarityLoss"), undefined],
    ["not by the card's words", { ...BERT, "README.md": "---\ntags:\n- a\n---\n- matryoshka\n" }, undefined],
    ["not by nothing", BERT, undefined],
    ["not of a language model", { "README.md": "---\ntags:\n- matryoshka\n---\n" }, undefined],
  ];
  for (const [what, files, expected] of cases)
    test(what, async () => {
      expect((await inspect(files)).shortens).toBe(expected as never);
    });

  test("by a table of well-known models", async () => {
    const shorten = [
      "nomic-ai/nomic-embed-text-v1.5",
      "OpenVINO/Qwen3-Embedding-0.6B-int8-ov",
      "google/embeddinggemma-300m",
    ];
    for (const repository of shorten) expect((await pulled(repository)).shortens).toBe(true);
    for (const repository of ["nomic-ai/nomic-embed-text-v1", "sentence-transformers/all-MiniLM-L6-v2"])
      expect((await pulled(repository)).shortens).toBeUndefined();
  });
});

test("of a model on the hub the same is told", async () => {
  const texts: Readonly<Record<string, string>> = {
    "config.json": JSON.stringify(CONFIG),
    "modules.json": '[{"type":"a.Pooling","path":"1_Pooling"}]',
  };
  const hub = {
    read: async (_repository: string, _commit: string, file: string) => new TextEncoder().encode(texts[file]),
    readRange: () => Promise.reject(new Error("nothing is read in parts")),
  };
  const files = Object.keys(texts).map((path) => ({ path, size: 1 }));
  const signal = new AbortController().signal;
  const facts = await inspectRemote(hub, "nomic-ai/nomic-embed-text-v1.5", "0".repeat(40), files as never, signal);
  expect(facts).toMatchObject({
    kind: "embedding",
    instructions: { query: "search_query: ", document: "search_document: " },
    shortens: true,
  });
});
