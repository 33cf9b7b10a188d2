import { expect, test } from "bun:test";
import { ProxyError } from "../../src/core/errors.ts";
import { startScripted } from "../support/scripted-runtime.ts";

const documents = ["xyz", { text: "abc" }, "ab", "ba"];
const ask = { model: "ranker", query: "abc", documents };

test.each(["/v1/rerank", "/v2/rerank", "/rerank"])("%s sorts documents, the best first", async (path) => {
  await using server = await startScripted();
  const response = await server.post(path, ask);
  expect((await response.json()) as unknown).toEqual({
    id: expect.stringMatching(/^rerank-/),
    object: "list",
    model: "ranker",
    results: [
      { index: 1, relevance_score: 3 / 32 },
      { index: 2, relevance_score: 2 / 32 },
      { index: 3, relevance_score: 2 / 32 },
      { index: 0, relevance_score: 0 },
    ],
    usage: { prompt_tokens: 22, total_tokens: 22 },
    meta: { tokens: { input_tokens: 22 } },
  });
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "x-npu-proxy-device": "CPU",
    "x-npu-proxy-token-count": "22",
    "x-npu-proxy-model": "ranker:latest",
  });
  expect(server.runtime.calls).toEqual(["admit", "get ranker", "rerank"]);
  expect(server.runtime.taken).toBe(0);
  expect(server.runtime.reranks[0]).toMatchObject({ query: "abc", documents: ["xyz", "abc", "ab", "ba"] });
  expect(await server.observer.request()).toMatchObject({ model: "ranker:latest", promptTokens: 22, inputs: 4 });
});

test("top_n and return_documents", async () => {
  await using server = await startScripted();
  const response = await server.post("/v1/rerank", { ...ask, top_n: 2, return_documents: true });
  expect((await response.json()) as unknown).toMatchObject({
    results: [
      { index: 1, relevance_score: 3 / 32, document: { text: "abc" } },
      { index: 2, relevance_score: 2 / 32, document: { text: "ab" } },
    ],
  });
  const more = await server.post("/v1/rerank", { ...ask, top_n: 50, rank_fields: ["text"], max_tokens_per_doc: 4 });
  expect(((await more.json()) as { results: unknown[] }).results).toHaveLength(4);
});

test.each([
  [{ query: "" }, "query must not be empty", "query"],
  [{ query: 5 }, "query must be a string", "query"],
  [{ model: undefined }, "model is required", "model"],
  [{ documents: undefined }, "documents is required", "documents"],
  [{ documents: "abc" }, "documents must be an array of texts", "documents"],
  [{ documents: [] }, "documents must have at least one text", "documents"],
  [{ documents: ["a", 5] }, "documents[1] must be a string or an object with a text", "documents[1]"],
  [{ documents: [null] }, "documents[0] must be a string or an object with a text", "documents[0]"],
  [{ documents: [{ title: "a" }] }, "documents[0] must be a string or an object with a text", "documents[0]"],
  [{ top_n: 0 }, "top_n must be an integer of at least 1", "top_n"],
  [{ return_documents: 1 }, "return_documents must be true or false", "return_documents"],
] as const)("%j is refused", async (fields, message, param) => {
  await using server = await startScripted();
  const response = await server.post("/v1/rerank", { ...ask, ...fields });
  expect(response.status).toBe(400);
  expect((await response.json()) as unknown).toMatchObject({ error: { message, param, code: "invalid_request" } });
  expect(server.runtime.reranks).toEqual([]);
});

test("fields that would change the scores are refused", async () => {
  await using server = await startScripted();
  const response = await server.post("/v1/rerank", { ...ask, rank_fields: ["title"] });
  expect((await response.json()) as unknown).toMatchObject({
    error: { param: "rank_fields", code: "unsupported_field" },
  });
});

test("a failing model is told in OpenAI's envelope, at every address", async () => {
  await using server = await startScripted();
  server.runtime.refusal = new ProxyError("runner_crashed", "The runner ended.");
  for (const path of ["/v1/rerank", "/rerank"]) {
    const response = await server.post(path, ask);
    expect([response.status, await response.json()]).toEqual([
      500,
      { error: { message: "The runner ended.", type: "server_error", param: null, code: "runner_crashed" } },
    ]);
  }
});
