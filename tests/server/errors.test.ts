/** Errors in each API's own envelope, over a scripted runtime. */
import { expect, test } from "bun:test";
import OpenAI from "openai";
import { type ErrorCode, ProxyError } from "../../src/core/errors.ts";
import { startScripted } from "../support/scripted-runtime.ts";

const messages = [{ role: "user" as const, content: "x" }];
const OLLAMA = "/api/chat";
const OPENAI = "/v1/chat/completions";
const body = { model: "demo", messages };

test.each([
  [undefined, "1"],
  [0, "1"],
  [1200, "2"],
  [30_000, "30"],
])("a full queue says when to come back in both APIs (%p ms)", async (retryAfterMs, seconds) => {
  await using server = await startScripted();
  const details = retryAfterMs === undefined ? {} : { retryAfterMs };
  server.runtime.full = new ProxyError("queue_full", "512 requests wait already.", details);
  const ollama = await server.post(OLLAMA, body);
  expect([ollama.status, ollama.headers.get("retry-after"), await ollama.json()]).toEqual([
    503,
    seconds,
    { error: "server busy, please try again.  maximum pending requests exceeded" },
  ]);
  const openai = await server.post(OPENAI, body);
  expect([openai.status, openai.headers.get("retry-after"), await openai.json()]).toEqual([
    429,
    seconds,
    { error: { message: "512 requests wait already.", type: "rate_limit_error", param: null, code: "queue_full" } },
  ]);
  for (const answer of [ollama, openai]) expect(answer.headers.get("x-npu-proxy-error")).toBe("queue_full");
});

test("a refusal under load is one log line, its own", async () => {
  await using server = await startScripted();
  server.runtime.full = new ProxyError("queue_full", "512 requests wait already.");
  await server.post(OLLAMA, body);
  expect(await server.observer.request()).toMatchObject({ status: 503, error: "queue_full" });
  expect(server.observer.entries).toHaveLength(1);
});

test("OpenAI's SDK sees a full queue as a rate limit", async () => {
  await using server = await startScripted();
  server.runtime.full = new ProxyError("queue_full", "512 requests wait already.");
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "x", maxRetries: 0 });
  const failure = await client.chat.completions.create(body).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(OpenAI.RateLimitError);
});

test.each(["insufficient_memory", "shutting_down"] as const)(
  "%s says when to come back where it is known",
  async (code) => {
    await using server = await startScripted();
    server.runtime.refusal = new ProxyError(code, "Not now.", { retryAfterMs: 4001 });
    for (const path of [OLLAMA, OPENAI]) {
      const known = await server.post(path, body);
      expect([known.status, known.headers.get("retry-after")]).toEqual([503, "5"]);
    }
    server.runtime.refusal = new ProxyError(code, "Not now.");
    expect((await server.post(OLLAMA, body)).headers.get("retry-after")).toBeNull();
  },
);

test("a device that is not there is told with those that are, before and within an answer", async () => {
  await using server = await startScripted();
  const error = new ProxyError("device_error", "There is no GPU here.", { availableDevices: ["NPU", "CPU"] });
  server.runtime.refusal = error;
  const ollama = await server.post(OLLAMA, body);
  expect([ollama.status, await ollama.json()]).toEqual([
    503,
    { error: "There is no GPU here.", available_devices: ["NPU", "CPU"] },
  ]);
  const openai = await server.post(OPENAI, body);
  expect([openai.status, await openai.json()]).toMatchObject([
    503,
    { error: { type: "server_error", code: "device_error", available_devices: ["NPU", "CPU"] } },
  ]);
  server.runtime.refusal = undefined;
  server.runtime.script = (generation) => generation.say("a").events.close(error);
  for (const path of [OLLAMA, OPENAI]) {
    const stream = await (await server.post(path, { ...body, stream: true })).text();
    expect(stream).toContain('"available_devices":["NPU","CPU"]');
  }
});

test.each<[ErrorCode, number]>([
  ["inference_timeout", 504],
  ["queue_timeout", 504],
  ["token_timeout", 504],
  ["load_timeout", 504],
  ["model_not_loaded", 500],
  ["device_lost", 503],
  ["model_unfit", 503],
])("%s is %d in both APIs, under its own code", async (code, status) => {
  await using server = await startScripted();
  server.runtime.refusal = new ProxyError(code, "What happened.");
  for (const path of [OLLAMA, OPENAI]) {
    const response = await server.post(path, body);
    expect([response.status, response.headers.get("x-npu-proxy-error")]).toEqual([status, code]);
  }
});
