/** What a search answers from the catalogue: beside the hub's models, and in their place. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { BGE, GRAPH, type SearchScene, searchScene, TINY } from "../support/search-scene.ts";

let it: SearchScene;

beforeEach(async () => {
  it = await searchScene();
});

afterEach(() => it[Symbol.dispose]());

describe("what the catalogue has and the hub's search does not", () => {
  beforeEach(() => {
    it.reopen({ catalog: { entries: () => [TINY, BGE, { ...BGE, name: "bge-small:fp32" }] } });
  });

  test("is found by the catalogue's words, marked, each repository once", async () => {
    it.add("someone/bge-tiny-int8-ov", GRAPH, { downloads: 7, pipeline: "feature-extraction" });
    const page = await it.search({ text: "BGE" });
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
    it.add("OpenVINO/Tiny-1B-int4-ov", GRAPH, { downloads: 5 });
    expect(await it.find({ text: "tiny" })).toMatchObject([{ name: "tiny:latest", downloads: 5, remarks: [] }]);
    expect(await it.names({ text: "tiny", minDownloads: 6 })).toEqual([]);
    expect(await it.names({ text: "bge", minDownloads: 1 })).toEqual([]);
    expect(await it.names({ text: "bge", kind: "llm" })).toEqual([]);
    expect(await it.names({ text: "bge", author: "baai" })).toEqual(["bge-small:latest"]);
    expect(await it.names({ text: "bge", author: "someone" })).toEqual([]);
  });

  test("comes before what has remarks, and counts in pages", async () => {
    it.add("a/bge-plain", GRAPH, { downloads: 1 });
    it.add("a/bge-GGUF", ["x-Q4_K_M.gguf"], { downloads: 9 });
    expect(await it.names({ text: "bge" })).toEqual(["a/bge-plain", "bge-small:latest", "a/bge-GGUF"]);
    const pages = [];
    for (const offset of [0, 1, 2]) pages.push(await it.search({ text: "bge", limit: 1, offset }));
    expect(pages.map(({ results, total, hasMore }) => [results[0]?.name, total, hasMore])).toEqual([
      ["a/bge-plain", 3, true],
      ["bge-small:latest", 3, true],
      ["a/bge-GGUF", 3, false],
    ]);
  });
});

describe("without the hub", () => {
  beforeEach(() => {
    it.reopen({ catalog: { entries: () => [TINY, BGE] } });
  });

  test("the catalogue answers, and says so", async () => {
    it.server.stop();
    const page = await it.search({ text: "TINY", minDownloads: 5 });
    expect(page.results).toMatchObject([{ name: "tiny:latest", devices: ["NPU", "CPU"], updated: "", downloads: 0 }]);
    expect(page).toMatchObject({
      total: 1,
      hasMore: false,
      from: "catalog",
      note: expect.stringContaining("catalogue alone"),
    });
    expect(await it.find({ kind: "embedding" })).toMatchObject([
      { name: "bge-small:latest", remarks: ["not OpenVINO: will be converted"] },
    ]);
    expect(await it.names({ author: "baai" })).toEqual(["bge-small:latest"]);
    expect(await it.names({ text: "nothing like it" })).toEqual([]);
  });

  test.each([[429], [500], [401], [403]])("nor with one that answers %p", async (status) => {
    it.server.fault({ path: "/api/models" }, { status });
    expect((await it.search()).from).toBe("catalog");
  });

  test("a caller who left gets no catalogue", async () => {
    const control = new AbortController();
    const reason = new Error("left");
    control.abort(reason);
    expect(await it.search({}, control.signal).catch((error: unknown) => error)).toBe(reason);
  });
});
