import { expect, test } from "bun:test";
import OpenAI, { APIError } from "openai";
import { vectorOf } from "../../support/scripted-embeddings.ts";
import { startScripted } from "../../support/scripted-runtime.ts";

const PATH = "/v1/embeddings";

interface Answer {
  readonly data: readonly { readonly object: string; readonly index: number; readonly embedding: unknown }[];
  readonly [field: string]: unknown;
}

function unit(input: string | readonly number[], dimensions = 4): number[] {
  const vector = vectorOf(input, dimensions);
  const length = Math.hypot(...vector);
  return [...vector.map((value) => value / length)];
}

function decoded(base64: unknown): number[] {
  const bytes = Uint8Array.from(atob(String(base64)), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

test("texts become vectors of length 1, with their usage", async () => {
  await using server = await startScripted();
  const response = await server.post(PATH, { model: "minilm", input: ["one", "three"], user: "somebody" });
  const { data, ...rest } = (await response.json()) as Answer;
  expect(data.map(({ embedding }) => (embedding as number[]).map(Math.fround))).toEqual([unit("one"), unit("three")]);
  expect(data.map(({ object, index }) => [object, index])).toEqual([
    ["embedding", 0],
    ["embedding", 1],
  ]);
  expect(rest).toEqual({ object: "list", model: "minilm", usage: { prompt_tokens: 8, total_tokens: 8 } });
  expect(response.headers.get("X-NPU-Proxy-Embedding-Cache")).toBe("hits=0 of=2");
  expect(server.runtime.embeds[0]).toMatchObject({ truncate: false });
});

test("base64 is float32, little-endian; dimensions shorten", async () => {
  await using server = await startScripted();
  const body = { model: "minilm", input: "one", encoding_format: "base64", dimensions: 3 };
  const { data } = (await (await server.post(PATH, body)).json()) as Answer;
  expect(decoded(data[0]?.embedding)).toEqual(unit("one", 3));
});

test.each([
  ["a text", "abc", ["abc"]],
  ["texts", ["a", "b"], ["a", "b"]],
  ["token ids", [1, 2, 3], [[1, 2, 3]]],
  ["token ids of several", [[1, 2], [0]], [[1, 2], [0]]],
] as const)("input as %s", async (_, input, expected) => {
  await using server = await startScripted();
  const response = await server.post(PATH, { model: "minilm", input });
  const { data } = (await response.json()) as Answer;
  expect(data.map(({ embedding }) => (embedding as number[]).map(Math.fround))).toEqual(
    expected.map((one) => unit(one)),
  );
  expect(server.runtime.embeds[0]?.inputs).toEqual(expected as never);
});

test.each([
  [{}, "input is required", "input"],
  [{ input: null }, "input is required", "input"],
  [{ input: "" }, "input must not be empty", "input"],
  [{ input: [] }, "input must not be empty", "input"],
  [{ input: ["a", ""] }, "input[1] must not be empty", "input[1]"],
  [{ input: [[1], []] }, "input[1] must not be empty", "input[1]"],
  [{ input: 5 }, "input must be a string or an array of token ids", "input"],
  [{ input: { a: 1 } }, "input must be a string or an array of token ids", "input"],
  [{ input: ["a", 5] }, "input[1] must be a string or an array of token ids", "input[1]"],
  [{ input: ["a", [1]] }, "input[1] must be of the same kind as the others", "input[1]"],
  [{ input: [1, -1] }, "input must have token ids: integers of at least 0", "input"],
  [{ input: [1, "a"] }, "input must have token ids: integers of at least 0", "input"],
  [{ input: [[1.5]] }, "input[0] must have token ids: integers of at least 0", "input[0]"],
  [{ input: "a", encoding_format: "int8" }, "encoding_format must be one of float, base64", "encoding_format"],
  [{ input: "a", dimensions: 0 }, "dimensions must be an integer between 1 and 1000000", "dimensions"],
] as const)("%j is refused", async (fields, message, param) => {
  await using server = await startScripted();
  const response = await server.post(PATH, { model: "minilm", ...fields });
  expect(response.status).toBe(400);
  expect((await response.json()) as unknown).toEqual({
    error: { message, type: "invalid_request_error", param, code: "invalid_request" },
  });
  expect(server.runtime.embeds).toEqual([]);
});

test("a text that is too long is refused, and cut where that is asked for", async () => {
  await using server = await startScripted();
  const ask = (fields: object) => server.post(PATH, { model: "minilm", input: "x".repeat(101), ...fields });
  const refused = await ask({});
  expect(refused.status).toBe(400);
  expect((await refused.json()) as unknown).toMatchObject({
    error: { param: "input", code: "context_length_exceeded" },
  });
  const cut = await ask({ truncate: true });
  expect([cut.status, cut.headers.get("X-NPU-Proxy-Truncated")]).toEqual([200, "1"]);
});

test("what the texts are for reaches the runtime", async () => {
  await using server = await startScripted();
  for (const input_type of ["query", "document", "search_document", "classification"])
    await server.post(PATH, { model: "minilm", input: "a", input_type });
  expect(server.runtime.embeds.map(({ purpose }) => purpose)).toEqual(["query", "document", "document", undefined]);
});

test("the openai package embeds in its own encoding and in plain numbers, and gets typed errors", async () => {
  await using server = await startScripted();
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "unused", maxRetries: 0 });
  const input = ["one", "two"];
  const { data, usage } = await client.embeddings.create({ model: "minilm", input });
  expect(data.map(({ embedding }) => embedding)).toEqual(input.map((text) => unit(text)));
  expect(usage).toEqual({ prompt_tokens: 6, total_tokens: 6 });
  const plain = await client.embeddings.create({ model: "minilm", input: [3, 4], encoding_format: "float" });
  expect(plain.data[0]?.embedding.map(Math.fround)).toEqual(unit([3, 4]));
  const failure = await client.embeddings.create({ model: "nope", input }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(APIError);
  expect(failure).toMatchObject({ status: 404, code: "model_not_found" });
});
