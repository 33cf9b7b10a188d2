import { expect, test } from "bun:test";
import { Ollama } from "ollama";
import { ProxyError } from "../../../src/core/errors.ts";
import { scriptedEmbeddings, vectorOf } from "../../support/scripted-embeddings.ts";
import { NPU, startScripted } from "../../support/scripted-runtime.ts";

const EMBED = "/api/embed";
const EMBEDDINGS = "/api/embeddings";

/** What its vector looks like in an answer. */
function unit(text: string, dimensions = 4): number[] {
  const vector = vectorOf(text, dimensions);
  const length = Math.hypot(...vector);
  return [...vector.map((value) => value / length)];
}

const rounded = (vectors: unknown) => (vectors as number[][]).map((vector) => vector.map(Math.fround));

test("/api/embed answers vectors of length 1, in order, and says where they come from", async () => {
  await using server = await startScripted();
  const response = await server.post(EMBED, { model: "minilm", input: ["one", "two"], keep_alive: "2m" });
  const { embeddings, ...rest } = (await response.json()) as Record<string, unknown>;
  expect(rounded(embeddings)).toEqual([unit("one"), unit("two")]);
  expect(rest).toEqual({
    model: "minilm",
    total_duration: expect.any(Number),
    load_duration: 1_000_000,
    prompt_eval_count: 6,
  });
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "application/json; charset=utf-8",
    "x-npu-proxy-device": "CPU",
    "x-npu-proxy-routed-device": "CPU",
    "x-npu-proxy-execution-device": "CPU",
    "x-npu-proxy-route-reason": "fixed",
    "x-npu-proxy-token-count": "6",
    "x-npu-proxy-model": "minilm:latest",
    "x-npu-proxy-embedding-cache": "hits=0 of=2",
  });
  for (const absent of ["x-npu-proxy-truncated", "x-npu-proxy-fallback", "x-npu-proxy-fallback-reason"])
    expect(response.headers.has(absent)).toBe(false);
  const [request] = server.runtime.embeds;
  expect(request).toMatchObject({ model: "minilm", inputs: ["one", "two"], truncate: true, keepAliveMs: 120_000 });
  expect(server.runtime.calls).toEqual(["admit", "get minilm", "embed"]);
  expect(server.runtime.taken).toBe(0);
  expect(await server.observer.request()).toMatchObject({
    api: EMBED,
    model: "minilm:latest",
    device: "CPU",
    promptTokens: 6,
    completionTokens: undefined,
    inputs: 2,
    cached: 0,
    status: 200,
  });
});

test("what was cached, cut, moved or made up is told", async () => {
  await using server = await startScripted();
  server.runtime.embedding = (request) => ({
    ...scriptedEmbeddings(request),
    routed: NPU,
    reason: "npu_unavailable",
    cached: 1,
    fallback: true,
  });
  const response = await server.post(EMBED, { model: "minilm", input: ["a", "b".repeat(101)] });
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "x-npu-proxy-routed-device": "NPU",
    "x-npu-proxy-fallback-reason": "device_fallback",
    "x-npu-proxy-embedding-cache": "hits=1 of=2",
    "x-npu-proxy-truncated": "1",
    "x-npu-proxy-fallback": "hash",
  });
  expect(await server.observer.request()).toMatchObject({ cached: 1, truncated: 1, fallback: "hash" });
});

test.each([[undefined], [null], [""], [[]]])("input %j loads the model", async (input) => {
  await using server = await startScripted();
  const response = await server.post(EMBED, { model: "minilm", input, keep_alive: -1 });
  expect(response.status).toBe(200);
  expect((await response.json()) as unknown).toEqual({
    model: "minilm",
    embeddings: [],
    total_duration: expect.any(Number),
    load_duration: 2_000_000,
    prompt_eval_count: 0,
  });
  expect(server.runtime.loads).toEqual([{ model: "minilm", keepAliveMs: Number.POSITIVE_INFINITY }]);
  expect(server.runtime.embeds).toEqual([]);
});

test("nothing to embed and no time to stay unloads it", async () => {
  await using server = await startScripted();
  expect((await server.post(EMBED, { model: "minilm", keep_alive: 0 })).status).toBe(200);
  expect([server.runtime.unloads, server.runtime.loads]).toEqual([[{ model: "minilm" }], []]);
});

test.each([[5], [true], [{}], [["a", 1]], [[["a"]]], [[null]]])("input %j is of a wrong type", async (input) => {
  await using server = await startScripted();
  const response = await server.post(EMBED, { model: "minilm", input });
  expect([response.status, await response.json()]).toEqual([400, { error: "invalid input type" }]);
  expect(server.runtime.calls).toEqual([]);
});

test.each([
  [{ dimensions: -1 }, "dimensions must be an integer of at least 0"],
  [{ dimensions: 1.5 }, "dimensions must be an integer of at least 0"],
  [{ truncate: "no" }, "truncate must be true or false"],
  [{ input_type: "poem" }, /^input_type must be one of query, /],
  [{ options: { input_type: 5 } }, /^options.input_type must be one of query, /],
  [{ options: { device: "TPU" } }, /^options.device must be NPU, /],
  [{ options: [] }, "options must be an object"],
  [{ model: 5 }, "model must be a string"],
] as const)("%j is refused", async (fields, message) => {
  await using server = await startScripted();
  const response = await server.post(EMBED, { model: "minilm", input: "a", ...fields });
  expect(response.status).toBe(400);
  expect(((await response.json()) as { error: string }).error).toMatch(message);
});

test("a text that may not be cut is too long in Ollama's words", async () => {
  await using server = await startScripted();
  const response = await server.post(EMBED, { model: "minilm", input: "x".repeat(101), truncate: false });
  expect(response.headers.get("X-NPU-Proxy-Error")).toBe("context_length_exceeded");
  expect([response.status, await response.json()]).toEqual([
    400,
    { error: "the input length exceeds the context length" },
  ]);
  expect(server.runtime.taken).toBe(0);
});

test("dimensions, purpose and device reach the runtime", async () => {
  await using server = await startScripted();
  const ask = (fields: object, headers = {}) =>
    server.post(EMBED, { model: "minilm", input: "a", ...fields }, { headers });
  const answer = (await (await ask({ dimensions: 2, input_type: "search_query" })).json()) as { embeddings: unknown };
  expect(rounded(answer.embeddings)).toEqual([unit("a", 2)]);
  await ask({ dimensions: 0, options: { input_type: "passage", device: "gpu.1" } });
  await ask(
    { input_type: "clustering", options: { embedding_device: "NPU", num_ctx: 5 } },
    { "X-NPU-Proxy-Device": "cpu" },
  );
  const seen = server.runtime.embeds.map(({ dimensions, purpose, device }) => [dimensions, purpose, device]);
  expect(seen).toEqual([
    [2, "query", undefined],
    [undefined, "document", "GPU.1"],
    [undefined, undefined, "CPU"],
  ]);
});

test.each([
  [undefined, "minilm", undefined],
  ["", "minilm", undefined],
  ["default", "minilm", undefined],
  ["default@cpu", "minilm", "CPU"],
  ["ranker@npu", "ranker", "NPU"],
] as const)("a request for %p goes to %s on %p", async (model, expected, device) => {
  await using server = await startScripted({ embeddingModel: "minilm" });
  const response = await server.post(EMBED, { model, input: "a" });
  expect(((await response.json()) as { model: string }).model).toBe(model || "minilm");
  expect(server.runtime.embeds[0]?.model).toBe(expected);
  expect(server.runtime.embeds[0]?.device).toBe(device);
});

test("lone surrogates, NUL and megabytes are texts like any other", async () => {
  await using server = await startScripted();
  const body = `{"model":"minilm","input":["a\\ud800b","\\u0000","","${"long ".repeat(250_000)}"]}`;
  const response = await server.post(EMBED, body);
  expect(response.status).toBe(200);
  expect(((await response.json()) as { embeddings: unknown[] }).embeddings).toHaveLength(4);
  expect(server.runtime.embeds[0]?.inputs.slice(0, 3)).toEqual(["a\ufffdb", "\0", ""]);
});

test("100,000 texts are answered in order, piece by piece; more are refused", async () => {
  await using server = await startScripted();
  const input = Array.from({ length: 100_000 }, (_, i) => `text ${i}`);
  const response = await server.post(EMBED, { model: "minilm", input });
  expect(response.status).toBe(200);
  expect(response.headers.has("Content-Length")).toBe(false);
  const { embeddings, prompt_eval_count } = (await response.json()) as {
    embeddings: number[][];
    prompt_eval_count: number;
  };
  expect(embeddings).toHaveLength(100_000);
  expect(prompt_eval_count).toBe(input.join("").length);
  for (const at of [0, 63, 64, 99_999]) expect(rounded([embeddings[at]])).toEqual([unit(`text ${at}`)]);
  expect(await server.observer.request()).toMatchObject({ status: 200, inputs: 100_000 });

  const refused = await server.post(EMBED, { model: "minilm", input: [...input, "one more"] });
  expect(refused.status).toBe(400);
  expect(((await refused.json()) as { error: string }).error).toContain("100001");
  expect(server.runtime.embeds).toHaveLength(1);
}, 30_000);

test("numbers that are none are an error and no answer", async () => {
  await using server = await startScripted();
  server.runtime.embedding = (request) => ({
    ...scriptedEmbeddings(request),
    vectors: [Float32Array.of(1, Number.NaN)],
  });
  for (const [path, field] of [
    [EMBED, "input"],
    [EMBEDDINGS, "prompt"],
  ] as const) {
    const response = await server.post(path, { model: "minilm", [field]: "a" });
    expect([response.status, response.headers.get("X-NPU-Proxy-Error")]).toEqual([500, "inference_failed"]);
  }
});

test("an embedder that fails is an error with its status", async () => {
  await using server = await startScripted();
  server.runtime.embedding = () => Promise.reject(new ProxyError("runner_crashed", "The runner ended."));
  const response = await server.post(EMBED, { model: "minilm", input: "a" });
  expect([response.status, await response.json()]).toEqual([500, { error: "The runner ended." }]);
  expect(server.runtime.taken).toBe(0);
});

test("a client that leaves aborts the work", async () => {
  await using server = await startScripted();
  const asked = Promise.withResolvers<AbortSignal>();
  server.runtime.embedding = (_request, signal) => {
    asked.resolve(signal);
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  const leaving = new AbortController();
  const answer = server.post(EMBED, { model: "minilm", input: "a" }, { signal: leaving.signal });
  await asked.promise;
  leaving.abort();
  await answer.catch(() => undefined);
  expect(await server.observer.request()).toMatchObject({ status: 499, error: "client_closed" });
});

test("/api/embeddings answers the vector as the model gave it", async () => {
  await using server = await startScripted();
  const response = await server.post(EMBEDDINGS, { model: "minilm", prompt: "hello" });
  const { embedding, ...rest } = (await response.json()) as { embedding: number[] };
  expect(embedding.map(Math.fround)).toEqual([...vectorOf("hello")]);
  expect(rest).toEqual({});
  expect(response.headers.get("X-NPU-Proxy-Embedding-Cache")).toBe("hits=0 of=1");
});

test("/api/embeddings without a prompt loads the model", async () => {
  await using server = await startScripted();
  const response = await server.post(EMBEDDINGS, { model: "minilm" });
  expect((await response.json()) as unknown).toEqual({ embedding: [] });
  expect(server.runtime.loads).toEqual([{ model: "minilm" }]);
});

test("the ollama package embeds, both ways, and gets its errors", async () => {
  await using server = await startScripted();
  const ollama = new Ollama({ host: server.url });
  const { embeddings, prompt_eval_count } = await ollama.embed({
    model: "minilm",
    input: ["one", "two"],
    dimensions: 3,
  });
  expect(rounded(embeddings)).toEqual([unit("one", 3), unit("two", 3)]);
  expect(prompt_eval_count).toBe(6);
  const { embedding } = await ollama.embeddings({ model: "minilm", prompt: "one" });
  expect(embedding.map(Math.fround)).toEqual([...vectorOf("one")]);
  const missing = await ollama.embed({ model: "nope", input: "a" }).catch((error: unknown) => error);
  expect(missing).toMatchObject({ status_code: 404, error: expect.stringContaining("not found") });
});
