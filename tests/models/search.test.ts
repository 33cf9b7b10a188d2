import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProxyError } from "../../src/core/errors.ts";
import type { CatalogEntry, SearchQuery, SearchResult } from "../../src/core/library.ts";
import type { Observer } from "../../src/core/ports.ts";
import type { DeviceInfo } from "../../src/core/request.ts";
import { createHub } from "../../src/models/hub/hub.ts";
import { createSearch, type Search, type SearchOptions } from "../../src/models/hub/search.ts";
import { temporaryFolder } from "../support/demo.ts";
import type { RepositoryOptions } from "../support/hub/repository.ts";
import { startHub, type TestHub } from "../support/hub.ts";

const { signal } = new AbortController();
const silent: Observer = { log: () => {} };
const everything: SearchQuery = { text: "", sort: "popular", limit: 100, offset: 0 };
const machine: DeviceInfo[] = (["NPU", "GPU.0", "CPU"] as const).map((name) => ({
  name,
  fullName: name,
  emulated: false,
}));

const tiny: CatalogEntry = {
  name: "tiny:latest",
  aliases: ["tiny:1b"],
  family: "llama",
  kind: "llm",
  parameterSize: "1.1B",
  quantization: "INT4",
  repository: "OpenVINO/Tiny-1B-int4-ov",
  devices: ["NPU", "CPU"],
  license: "mit",
};
const bge: CatalogEntry = {
  ...tiny,
  name: "bge-small:latest",
  aliases: [],
  family: "bert",
  kind: "embedding",
  quantization: "FP32",
  repository: "BAAI/bge-small-en-v1.5",
  devices: ["CPU"],
  convert: true,
};

let server: TestHub;
let folder: ReturnType<typeof temporaryFolder>;
let search: Search;

beforeEach(async () => {
  server = await startHub();
  folder = temporaryFolder();
  search = connect();
});

afterEach(() => {
  server.stop();
  folder[Symbol.dispose]();
});

function connect(options: Partial<SearchOptions> = {}): Search {
  return createSearch({
    hub: createHub({ endpoint: server.url, cacheDirectory: folder.path, observer: silent }),
    catalog: { entries: () => [] },
    devices: async () => machine,
    models: async () => [],
    observer: silent,
    ...options,
  });
}

const GRAPH = ["openvino_model.xml", "openvino_model.bin", "openvino_tokenizer.xml", "openvino_tokenizer.bin"];

function add(id: string, files: readonly string[], options: Partial<RepositoryOptions> = {}): void {
  const content = Object.fromEntries(files.map((file) => [file, Buffer.from("x")]));
  server.addRepository(id, { files: content, pipeline: "text-generation", tags: ["openvino"], ...options });
}

async function find(query: Partial<SearchQuery> = {}): Promise<readonly SearchResult[]> {
  return (await search({ ...everything, ...query }, signal)).results;
}

async function names(query: Partial<SearchQuery> = {}): Promise<string[]> {
  return (await find(query)).map(({ name }) => name);
}

describe("a search", () => {
  test("merges what is tagged with what the organisation has, each once", async () => {
    add("OpenVINO/both", GRAPH, { downloads: 3 });
    add("OpenVINO/untagged", GRAPH, { downloads: 2, tags: [] });
    add("someone/tagged", GRAPH, { downloads: 1 });
    add("someone/untagged", GRAPH, { tags: [] });
    const page = await search(everything, signal);
    expect(page.results.map(({ name }) => name)).toEqual(["OpenVINO/both", "OpenVINO/untagged", "someone/tagged"]);
    expect({ ...page, results: [] }).toEqual({ results: [], total: 3, hasMore: false, from: "hub" });
  });

  test("tells of a model what the hub knows, and what this machine can do with it", async () => {
    const facts = { downloads: 12, likes: 3, updated: "2026-05-06T07:08:09.000Z", gated: true };
    add("someone/Qwen3-8B-int4-cw-ov", GRAPH, facts);
    expect(await find()).toEqual([
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
    search = connect({ catalog: { entries: () => [tiny] } });
    add("OpenVINO/Tiny-1B-int4-ov", GRAPH, { downloads: 5 });
    expect(await find()).toMatchObject([
      { name: "tiny:latest", repository: tiny.repository, downloads: 5, devices: ["NPU", "CPU"], quantization: "INT4" },
    ]);
  });

  test("knows what has been pulled, under whatever name", async () => {
    const source = (repository: string) => ({
      hub: "hub.example",
      repository,
      revision: "main",
      commit: "0".repeat(40),
    });
    search = connect({
      catalog: { entries: () => [tiny] },
      models: async () => [
        { name: "mine:latest", source: source("Someone/One") },
        { name: "someone/two:latest" },
        { name: "TINY:latest" },
      ],
    });
    for (const id of ["someone/one", "someone/Two", "OpenVINO/Tiny-1B-int4-ov", "someone/three"]) add(id, GRAPH);
    const pulled = (await find()).filter((result) => result.pulled).map(({ repository }) => repository);
    expect(pulled.sort()).toEqual(["OpenVINO/Tiny-1B-int4-ov", "someone/Two", "someone/one"]);
  });

  test("filters by words, kind, quantization, downloads and author", async () => {
    add("a/Llama-3.2-1B-int4-ov", GRAPH, { downloads: 100 });
    add("a/Llama-3.1-8B-int4-cw-ov", GRAPH, { downloads: 90 });
    add("b/Llama-3.1-8B-int8-ov", GRAPH, { downloads: 80 });
    add("b/bge-base-int8-ov", GRAPH, { downloads: 70, pipeline: "feature-extraction" });
    expect(await names({ text: "llama INT8" })).toEqual(["b/Llama-3.1-8B-int8-ov"]);
    expect(await names({ kind: "embedding" })).toEqual(["b/bge-base-int8-ov"]);
    expect(await names({ quantization: "INT4" })).toEqual(["a/Llama-3.2-1B-int4-ov", "a/Llama-3.1-8B-int4-cw-ov"]);
    expect(await names({ quantization: "int4-cw" })).toEqual(["a/Llama-3.1-8B-int4-cw-ov"]);
    expect(await names({ minDownloads: 80 })).toHaveLength(3);
    expect(await names({ author: "b" })).toEqual(["b/Llama-3.1-8B-int8-ov", "b/bge-base-int8-ov"]);
    expect(await names({ author: "b", kind: "llm", quantization: "int4" })).toEqual([]);
  });

  test("shows everything of an author, tagged or not", async () => {
    add("c/model-GGUF", ["model-Q4_K_M.gguf"], { tags: [] });
    expect(await names()).toEqual([]);
    expect(await names({ author: "c" })).toEqual(["c/model-GGUF"]);
  });

  test("sorts as it is told, and pages without a gap or a double", async () => {
    const facts: [string, number, number, string][] = [
      ["a/one", 10, 1, "2026-01-01T00:00:00.000Z"],
      ["a/two", 5, 9, "2026-03-01T00:00:00.000Z"],
      ["a/three", 5, 2, "2026-02-01T00:00:00.000Z"],
      ["a/eagle3-draft", 20, 0, "2025-01-01T00:00:00.000Z"],
    ];
    for (const [id, downloads, likes, updated] of facts) add(id, GRAPH, { downloads, likes, updated });
    expect(await names({ sort: "downloads" })).toEqual(["a/eagle3-draft", "a/one", "a/two", "a/three"]);
    expect(await names({ sort: "popular" })).toEqual(["a/one", "a/two", "a/three", "a/eagle3-draft"]);
    expect(await names({ sort: "likes" })).toEqual(["a/two", "a/three", "a/one", "a/eagle3-draft"]);
    expect(await names({ sort: "newest" })).toEqual(["a/two", "a/three", "a/one", "a/eagle3-draft"]);
    const pages = [];
    for (const offset of [0, 3, 6]) pages.push(await search({ ...everything, limit: 3, offset }, signal));
    expect(pages.flatMap(({ results }) => results.map(({ name }) => name))).toEqual(await names());
    expect((await search({ ...everything, limit: 4 }, signal)).hasMore).toBe(false);
    expect(pages.map(({ total, hasMore }) => [total, hasMore])).toEqual([
      [4, true],
      [4, false],
      [4, false],
    ]);
  });

  test.each([
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
    const error = await search({ ...everything, ...query }, signal).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ProxyError);
    expect(error).toMatchObject({ code: "invalid_request", param });
    expect(server.requests).toEqual([]);
  });
});

describe("what the catalogue has and the hub's search does not", () => {
  beforeEach(() => {
    search = connect({ catalog: { entries: () => [tiny, bge, { ...bge, name: "bge-small:fp32" }] } });
  });

  test("is found by the catalogue's words, marked, each repository once", async () => {
    add("someone/bge-tiny-int8-ov", GRAPH, { downloads: 7, pipeline: "feature-extraction" });
    const page = await search({ ...everything, text: "BGE" }, signal);
    expect(page.results).toEqual([
      expect.objectContaining({ name: "someone/bge-tiny-int8-ov", downloads: 7, remarks: [] }),
      {
        name: "bge-small:latest",
        repository: "BAAI/bge-small-en-v1.5",
        kind: "embedding",
        quantization: "FP32",
        downloads: 0,
        likes: 0,
        updated: "",
        devices: ["CPU"],
        pulled: false,
        gated: false,
        remarks: ["in the catalogue", "not OpenVINO: will be converted"],
      },
    ]);
    expect({ ...page, results: [] }).toEqual({ results: [], total: 2, hasMore: false, from: "hub" });
  });

  test("is one with the hub's entry of the same repository, and stays out where a filter takes that out", async () => {
    add("OpenVINO/Tiny-1B-int4-ov", GRAPH, { downloads: 5 });
    expect(await find({ text: "tiny" })).toMatchObject([{ name: "tiny:latest", downloads: 5, remarks: [] }]);
    expect(await names({ text: "tiny", minDownloads: 6 })).toEqual([]);
    expect(await names({ text: "bge", minDownloads: 1 })).toEqual([]);
    expect(await names({ text: "bge", kind: "llm" })).toEqual([]);
    expect(await names({ text: "bge", author: "baai" })).toEqual(["bge-small:latest"]);
    expect(await names({ text: "bge", author: "someone" })).toEqual([]);
  });

  test("comes before what has remarks, and counts in pages", async () => {
    add("a/bge-plain", GRAPH, { downloads: 1 });
    add("a/bge-GGUF", ["x-Q4_K_M.gguf"], { downloads: 9 });
    expect(await names({ text: "bge" })).toEqual(["a/bge-plain", "bge-small:latest", "a/bge-GGUF"]);
    const pages = [];
    for (const offset of [0, 1, 2]) pages.push(await search({ ...everything, text: "bge", limit: 1, offset }, signal));
    expect(pages.map(({ results, total, hasMore }) => [results[0]?.name, total, hasMore])).toEqual([
      ["a/bge-plain", 3, true],
      ["bge-small:latest", 3, true],
      ["a/bge-GGUF", 3, false],
    ]);
  });
});

describe("what is shown is marked", () => {
  const weights = ["config.json", "model.safetensors", "tokenizer.json"];
  test.each([
    ["a/plain-int4-ov", GRAPH, [], ["NPU", "GPU", "CPU"]],
    ["a/only-safetensors", weights, ["not OpenVINO: will be converted"], []],
    ["a/vocab", ["openvino_tokenizer.xml", "openvino_tokenizer.bin"], ["vocabulary only: no weights"], []],
    ["a/graph-alone", ["openvino_model.xml"], ["not OpenVINO: no weights that can be converted"], []],
    ["a/vocab-gguf", ["ggml-vocab-llama.gguf"], ["vocabulary only: no weights"], ["GPU", "CPU"]],
    ["a/quant-GGUF", ["x-Q4_K_M.gguf"], ["GGUF: served as it is, slower than OpenVINO's own format"], ["GPU", "CPU"]],
    ["a/Qwen3-8B-eagle3-ov", GRAPH, ["a draft model: it only speeds up a larger one"], ["NPU", "GPU", "CPU"]],
    ["a/Phi-3-FastDraft-50M", GRAPH, ["a draft model: it only speeds up a larger one"], ["NPU", "GPU", "CPU"]],
    ["a/Llama-8B-int4-ov", GRAPH, [], ["GPU", "CPU"]],
    ["a/Llama-8B-int4-cw-ov", GRAPH, [], ["NPU", "GPU", "CPU"]],
  ])("%s", async (id, files, remarks, devices) => {
    add(id, files);
    search = connect({
      devices: async () => (["NPU", "GPU", "CPU"] as const).map((name) => ({ name, fullName: name, emulated: false })),
    });
    expect(await find()).toMatchObject([{ name: id, remarks, devices }]);
  });

  test("devices that this machine has not are not shown", async () => {
    add("a/Llama-8B-int4-cw-ov", GRAPH);
    search = connect({ devices: async () => [{ name: "CPU", fullName: "CPU", emulated: false }] });
    expect((await find())[0]?.devices).toEqual(["CPU"]);
    search = connect({ devices: () => Promise.reject(new ProxyError("runtime_missing", "no runtime")) });
    expect((await find())[0]?.devices).toEqual([]);
  });
});

describe("the cache", () => {
  test("answers the same search, of whatever page and filter, and also after a restart", async () => {
    add("a/one", GRAPH);
    await find({ text: "one" });
    await find({ text: " ONE ", offset: 1, quantization: "int4" });
    expect(server.requests.length).toBe(2);
    search = connect();
    expect(await names({ text: "one" })).toEqual(["a/one"]);
    expect(server.requests.length).toBe(2);
    await find({ text: "two" });
    expect(server.requests.length).toBe(4);
  });

  test("keeps no failure", async () => {
    add("a/one", GRAPH);
    server.fault({ path: "/api/models", times: 2 }, { status: 503 });
    expect((await search(everything, signal)).from).toBe("catalog");
    expect((await search(everything, signal)).from).toBe("hub");
  });

  test("of a folder that is damaged or cannot be written costs nothing but itself", async () => {
    add("a/one", GRAPH);
    await find();
    const directory = join(folder.path, "search");
    for (const file of readdirSync(directory)) writeFileSync(join(directory, file), '{"version":1,"models":[{}]}');
    search = connect();
    expect(await names()).toEqual(["a/one"]);
    expect(server.requests.length).toBe(4);
    const blocked = join(folder.path, "blocked");
    writeFileSync(blocked, "a file where a folder should be");
    const hub = createHub({ endpoint: server.url, cacheDirectory: blocked, observer: silent });
    expect((await connect({ hub })(everything, signal)).results).toHaveLength(1);
  });
});

describe("without the hub", () => {
  beforeEach(() => {
    search = connect({ catalog: { entries: () => [tiny, bge] } });
  });

  test("the catalogue answers, and says so", async () => {
    server.stop();
    const page = await search({ ...everything, text: "TINY", minDownloads: 5 }, signal);
    expect(page.results).toMatchObject([{ name: "tiny:latest", devices: ["NPU", "CPU"], updated: "", downloads: 0 }]);
    expect(page).toMatchObject({
      total: 1,
      hasMore: false,
      from: "catalog",
      note: expect.stringContaining("catalogue alone"),
    });
    expect(await find({ kind: "embedding" })).toMatchObject([
      { name: "bge-small:latest", remarks: ["not OpenVINO: will be converted"] },
    ]);
    expect(await names({ author: "baai" })).toEqual(["bge-small:latest"]);
    expect(await names({ text: "nothing like it" })).toEqual([]);
  });

  test.each([[429], [500], [401], [403]])("nor with one that answers %p", async (status) => {
    server.fault({ path: "/api/models" }, { status });
    expect((await search(everything, signal)).from).toBe("catalog");
  });

  test("a caller who left gets no catalogue", async () => {
    const control = new AbortController();
    const reason = new Error("left");
    control.abort(reason);
    expect(await search(everything, control.signal).catch((error: unknown) => error)).toBe(reason);
  });
});
