import { afterEach, beforeEach, expect, test } from "bun:test";
import { ProxyError } from "../../src/core/errors.ts";
import type { SearchQuery } from "../../src/core/library.ts";
import { GRAPH, type SearchScene, searchScene, TINY } from "../support/search-scene.ts";

let it: SearchScene;

beforeEach(async () => {
  it = await searchScene();
});

afterEach(() => it[Symbol.dispose]());

test("merges what is tagged with what the organisation has, each once", async () => {
  it.add("OpenVINO/both", GRAPH, { downloads: 3 });
  it.add("OpenVINO/untagged", GRAPH, { downloads: 2, tags: [] });
  it.add("someone/tagged", GRAPH, { downloads: 1 });
  it.add("someone/untagged", GRAPH, { tags: [] });
  const page = await it.search();
  expect(page.results.map(({ name }) => name)).toEqual(["OpenVINO/both", "OpenVINO/untagged", "someone/tagged"]);
  expect({ ...page, results: [] }).toEqual({ results: [], total: 3, hasMore: false, from: "hub" });
});

test("tells of a model what the hub knows, and what this machine can do with it", async () => {
  const facts = { downloads: 12, likes: 3, updated: "2026-05-06T07:08:09.000Z", gated: true };
  it.add("someone/Qwen3-8B-int4-cw-ov", GRAPH, facts);
  expect(await it.find()).toEqual([
    {
      name: "someone/Qwen3-8B-int4-cw-ov",
      repository: "someone/Qwen3-8B-int4-cw-ov",
      kind: "llm",
      quantization: "INT4 channel-wise",
      ...facts,
      devices: ["NPU", "GPU.0", "CPU"],
      pulled: false,
      remarks: [],
    },
  ]);
});

test("calls a model of the catalogue by its name, with what the catalogue knows", async () => {
  it.reopen({ catalog: { entries: () => [TINY] } });
  it.add("OpenVINO/Tiny-1B-int4-ov", GRAPH, { downloads: 5 });
  expect(await it.find()).toMatchObject([
    { name: "tiny:latest", repository: TINY.repository, downloads: 5, devices: ["NPU", "CPU"], quantization: "INT4" },
  ]);
});

test("knows what has been pulled, under whatever name", async () => {
  const source = (repository: string) => ({
    hub: "hub.example",
    repository,
    revision: "main",
    commit: "0".repeat(40),
  });
  it.reopen({
    catalog: { entries: () => [TINY] },
    models: async () => [
      { name: "mine:latest", source: source("Someone/One") },
      { name: "someone/two:latest" },
      { name: "TINY:latest" },
    ],
  });
  for (const id of ["someone/one", "someone/Two", "OpenVINO/Tiny-1B-int4-ov", "someone/three"]) it.add(id, GRAPH);
  const pulled = (await it.find()).filter((result) => result.pulled).map(({ repository }) => repository);
  expect(pulled.sort()).toEqual(["OpenVINO/Tiny-1B-int4-ov", "someone/Two", "someone/one"]);
});

test("filters by words, kind, quantization, downloads and author", async () => {
  it.add("a/Llama-3.2-1B-int4-ov", GRAPH, { downloads: 100 });
  it.add("a/Llama-3.1-8B-int4-cw-ov", GRAPH, { downloads: 90 });
  it.add("b/Llama-3.1-8B-int8-ov", GRAPH, { downloads: 80 });
  it.add("b/bge-base-int8-ov", GRAPH, { downloads: 70, pipeline: "feature-extraction" });
  expect(await it.names({ text: "llama INT8" })).toEqual(["b/Llama-3.1-8B-int8-ov"]);
  expect(await it.names({ kind: "embedding" })).toEqual(["b/bge-base-int8-ov"]);
  expect(await it.names({ quantization: "INT4" })).toEqual(["a/Llama-3.2-1B-int4-ov", "a/Llama-3.1-8B-int4-cw-ov"]);
  expect(await it.names({ quantization: "int4-cw" })).toEqual(["a/Llama-3.1-8B-int4-cw-ov"]);
  expect(await it.names({ minDownloads: 80 })).toHaveLength(3);
  expect(await it.names({ author: "b" })).toEqual(["b/Llama-3.1-8B-int8-ov", "b/bge-base-int8-ov"]);
  expect(await it.names({ author: "b", kind: "llm", quantization: "int4" })).toEqual([]);
});

test("shows everything of an author, tagged or not", async () => {
  it.add("c/model-GGUF", ["model-Q4_K_M.gguf"], { tags: [] });
  expect(await it.names()).toEqual([]);
  expect(await it.names({ author: "c" })).toEqual(["c/model-GGUF"]);
});

test("sorts as it is told, and pages without a gap or a double", async () => {
  const facts: [string, number, number, string][] = [
    ["a/one", 10, 1, "2026-01-01T00:00:00.000Z"],
    ["a/two", 5, 9, "2026-03-01T00:00:00.000Z"],
    ["a/three", 5, 2, "2026-02-01T00:00:00.000Z"],
    ["a/eagle3-draft", 20, 0, "2025-01-01T00:00:00.000Z"],
  ];
  for (const [id, downloads, likes, updated] of facts) it.add(id, GRAPH, { downloads, likes, updated });
  expect(await it.names({ sort: "downloads" })).toEqual(["a/eagle3-draft", "a/one", "a/two", "a/three"]);
  expect(await it.names({ sort: "popular" })).toEqual(["a/one", "a/two", "a/three", "a/eagle3-draft"]);
  expect(await it.names({ sort: "likes" })).toEqual(["a/two", "a/three", "a/one", "a/eagle3-draft"]);
  expect(await it.names({ sort: "newest" })).toEqual(["a/two", "a/three", "a/one", "a/eagle3-draft"]);
  const pages = [];
  for (const offset of [0, 3, 6]) pages.push(await it.search({ limit: 3, offset }));
  expect(pages.flatMap(({ results }) => results.map(({ name }) => name))).toEqual(await it.names());
  expect((await it.search({ limit: 4 })).hasMore).toBe(false);
  expect(pages.map(({ total, hasMore }) => [total, hasMore])).toEqual([
    [4, true],
    [4, false],
    [4, false],
  ]);
});

test.each<[Partial<SearchQuery>, string]>([
  [{ limit: 0 }, "limit"],
  [{ limit: 101 }, "limit"],
  [{ limit: 1.5 }, "limit"],
  [{ offset: -1 }, "offset"],
  [{ offset: 2 ** 60 }, "offset"],
  [{ minDownloads: Number.NaN }, "min_downloads"],
  [{ author: "a/b" }, "author"],
  [{ author: "a&filter=x" }, "author"],
  [{ text: "x".repeat(201) }, "q"],
])("refuses %p by the field's name, and asks nobody", async (query, param) => {
  const error = await it.search(query).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ProxyError);
  expect(error).toMatchObject({ code: "invalid_request", param });
  expect(it.server.requests).toEqual([]);
});
