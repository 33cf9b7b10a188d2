import { expect, test } from "bun:test";
import { startScripted } from "../support/scripted-runtime.ts";

const PATH = "/v1/chat/completions";
const nested = (depth: number) =>
  `{"model":"demo","messages":[{"role":"user","content":"x"}],"metadata":${"[".repeat(depth)}${"]".repeat(depth)}}`;

test.each([
  ["", 400, "invalid_json"],
  ["   ", 400, "invalid_json"],
  ["null", 400, "invalid_request"],
  ["[]", 400, "invalid_request"],
  ['"text"', 400, "invalid_request"],
  ['{"model":"demo"', 400, "invalid_json"],
  ["{'model':1}", 400, "invalid_json"],
  [nested(100), 400, "invalid_json"],
  [nested(100_000), 400, "invalid_json"],
])("a hostile body is refused: %.40s", async (body, status, code) => {
  await using server = await startScripted();
  const response = await server.post(PATH, body);
  expect(response.status).toBe(status);
  expect((await response.json()) as unknown).toMatchObject({ error: { code } });
});

test("nesting below the limit, duplicate and __proto__ keys are harmless", async () => {
  await using server = await startScripted();
  expect((await server.post(PATH, nested(90))).status).toBe(200);
  const body = `{"__proto__":{"tools":[1]},"model":"nope","model":"demo","messages":[{"role":"user","content":"x","__proto__":{"content":"y"}}]}`;
  expect((await server.post(PATH, body)).status).toBe(200);
  expect(server.runtime.last.request.prompt).toEqual({ kind: "chat", messages: [{ role: "user", content: "x" }] });
});

test("invalid UTF-8 is refused", async () => {
  await using server = await startScripted();
  const response = await server.post(PATH, "", { body: new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]) });
  expect(response.status).toBe(400);
});

test("lone surrogates never reach the tokenizer; any other character does", async () => {
  await using server = await startScripted();
  const body = '{"model":"demo","messages":[{"role":"user","content":"a\\ud800b\\u0000 😀"}]}';
  await server.post(PATH, body, { headers: { "Content-Type": "text/plain" } });
  expect(server.runtime.last.request.prompt).toEqual({
    kind: "chat",
    messages: [{ role: "user", content: "a\ufffdb\0 😀" }],
  });
});

test("a body over the limit gets 413, announced or not", async () => {
  await using server = await startScripted({ maxBodyBytes: 1000 });
  const announced = await server.post(PATH, "x".repeat(1001));
  expect(announced.status).toBe(413);
  expect((await announced.json()) as unknown).toMatchObject({ error: { code: "body_too_large" } });
  const chunked = await server.post(PATH, "", {
    body: new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode(" ".repeat(600)));
      },
    }),
  });
  expect(chunked.status).toBe(413);
  expect((await server.post(PATH, '{"model":5}'.padEnd(1000))).status).toBe(400);
});

test("a compressed body is refused in words", async () => {
  await using server = await startScripted();
  const response = await server.post(PATH, "", {
    body: Bun.gzipSync(Buffer.from("{}")),
    headers: { "Content-Encoding": "gzip" },
  });
  expect(response.status).toBe(400);
  expect((await response.json()) as unknown).toMatchObject({ error: { param: "Content-Encoding" } });
});

test("no error repeats a long text of the caller", async () => {
  await using server = await startScripted();
  const long = "y".repeat(100_000);
  for (const body of [long, JSON.stringify({ model: "demo", messages: [{ role: long, content: "x" }] })])
    expect((await (await server.post(PATH, body)).text()).length).toBeLessThan(500);
});
