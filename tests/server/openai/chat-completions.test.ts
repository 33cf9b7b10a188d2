import { expect, test } from "bun:test";
import OpenAI, { APIError } from "openai";
import { ProxyError } from "../../../src/core/errors.ts";
import { startScripted } from "../../support/scripted-runtime.ts";

const PATH = "/v1/chat/completions";
const user = (content: unknown) => ({ role: "user", content });
const hello = { model: "demo", messages: [user("Say hello")] };

function chunksOf(body: string): unknown[] {
  return body
    .split("\n\n")
    .filter((event) => event !== "" && event !== "data: [DONE]")
    .map((event) => JSON.parse(event.replace(/^data: /, "")));
}

test("a whole answer has OpenAI's shape, true usage and the device's headers", async () => {
  await using server = await startScripted();
  const response = await server.post(PATH, hello);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
  expect(response.headers.get("x-npu-proxy-device")).toBe("NPU");
  expect(response.headers.get("x-npu-proxy-route-reason")).toBe("within_npu_limit");
  expect(response.headers.get("x-npu-proxy-token-count")).toBe("7");
  expect(response.headers.get("x-npu-proxy-version")).toBe("9.8.7");
  expect((await response.json()) as unknown).toEqual({
    id: expect.stringMatching(/^chatcmpl-[0-9a-f]{24}$/),
    object: "chat.completion",
    created: expect.any(Number),
    model: "demo",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: "Hello there", refusal: null },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
  });
});

test("a stream is role, text, finish, usage and [DONE] under one id", async () => {
  await using server = await startScripted();
  const response = await server.post(PATH, { ...hello, stream: true, stream_options: { include_usage: true } });
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const body = await response.text();
  expect(body.endsWith("data: [DONE]\n\n")).toBe(true);
  const chunks = chunksOf(body) as { id: string; created: number; choices: unknown[]; usage: unknown }[];
  expect(new Set(chunks.map(({ id, created }) => `${id} ${created}`)).size).toBe(1);
  expect(chunks.map(({ choices, usage }) => ({ choices, usage }))).toEqual([
    {
      choices: [{ index: 0, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null }],
      usage: null,
    },
    { choices: [{ index: 0, delta: { content: "Hello" }, logprobs: null, finish_reason: null }], usage: null },
    { choices: [{ index: 0, delta: { content: " there" }, logprobs: null, finish_reason: null }], usage: null },
    { choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: "stop" }], usage: null },
    { choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } },
  ]);
});

test("without include_usage no chunk speaks of usage", async () => {
  await using server = await startScripted();
  const body = await (await server.post(PATH, { ...hello, stream: true })).text();
  expect(body).not.toContain("usage");
  expect(chunksOf(body)).toHaveLength(4);
});

test("fields become the engine's parameters, over the model's own defaults", async () => {
  await using server = await startScripted();
  await server.post(PATH, {
    model: "demo",
    messages: [
      { role: "developer", content: "Be brief." },
      user([
        { type: "text", text: "one " },
        { type: "text", text: "two" },
      ]),
      { role: "assistant", content: null },
      { role: "tool", content: "42", tool_call_id: "x" },
    ],
    top_p: 0.5,
    top_k: 7,
    seed: 11,
    max_tokens: 5,
    max_completion_tokens: 6,
    presence_penalty: 1,
    frequency_penalty: -1,
    repetition_penalty: 1.1,
    min_p: 0.05,
    min_tokens: 2,
    ignore_eos: true,
    stop: "###",
    user: "somebody",
    tools: [],
    n: 1,
    response_format: { type: "text" },
    logprobs: false,
  });
  const { request } = server.runtime.last;
  expect(request.prompt).toEqual({
    kind: "chat",
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "one two" },
      { role: "assistant", content: "" },
      { role: "tool", content: "42" },
    ],
  });
  expect(request.sampling).toEqual({
    temperature: 0.6,
    stop: ["###"],
    topP: 0.5,
    topK: 7,
    seed: 11,
    maxTokens: 6,
    presencePenalty: 1,
    frequencyPenalty: -1,
    repetitionPenalty: 1.1,
    minP: 0.05,
    minTokens: 2,
    ignoreEos: true,
  });
});

test.each([
  [{ messages: [user("x")] }, "model", "invalid_request"],
  [{ ...hello, model: 5 }, "model", "invalid_request"],
  [{ ...hello, messages: [] }, "messages", "invalid_request"],
  [{ ...hello, messages: "x" }, "messages", "invalid_request"],
  [{ ...hello, messages: [user("x"), user(5)] }, "messages[1].content", "invalid_request"],
  [{ ...hello, messages: [{ role: "user" }] }, "messages[0].content", "invalid_request"],
  [{ ...hello, messages: [{ role: "wizard", content: "x" }] }, "messages[0].role", "invalid_request"],
  [{ ...hello, temperature: 2.1 }, "temperature", "invalid_request"],
  [{ ...hello, temperature: "hot" }, "temperature", "invalid_request"],
  [{ ...hello, max_tokens: 0 }, "max_tokens", "invalid_request"],
  [{ ...hello, max_completion_tokens: 1.5 }, "max_completion_tokens", "invalid_request"],
  [{ ...hello, stop: Array(17).fill("x") }, "stop", "invalid_request"],
  [{ ...hello, stream: "yes" }, "stream", "invalid_request"],
  [{ ...hello, n: 9 }, "n", "invalid_request"],
  [{ ...hello, n: 0 }, "n", "invalid_request"],
  [{ ...hello, min_p: 1.1 }, "min_p", "invalid_request"],
  [{ ...hello, repetition_penalty: 0 }, "repetition_penalty", "invalid_request"],
  [{ ...hello, presence_penalty: -2.1 }, "presence_penalty", "invalid_request"],
  [{ ...hello, frequency_penalty: 2.1 }, "frequency_penalty", "invalid_request"],
  [{ ...hello, min_tokens: -1 }, "min_tokens", "invalid_request"],
  [{ ...hello, min_tokens: 6, max_tokens: 5 }, "min_tokens", "invalid_request"],
  [{ ...hello, logprobs: true, top_logprobs: 21 }, "top_logprobs", "invalid_request"],
  [{ ...hello, top_logprobs: 2 }, "top_logprobs", "invalid_request"],
  [{ ...hello, guided_choice: ["a"] }, "guided_choice", "unsupported_field"],
  [{ ...hello, structured_outputs: { choice: ["a"] } }, "structured_outputs.choice", "unsupported_field"],
  [{ ...hello, structured_outputs: { regex: 5 } }, "structured_outputs.regex", "invalid_request"],
  [{ ...hello, guided_json: 5 }, "guided_json", "invalid_request"],
  [{ ...hello, guided_json: {}, guided_regex: "a" }, "guided_regex", "invalid_request"],
  [{ ...hello, response_format: { type: "json_object" }, guided_json: {} }, "guided_json", "invalid_request"],
  [{ ...hello, response_format: { type: "yaml" } }, "response_format.type", "invalid_request"],
  [{ ...hello, response_format: { type: "json_schema" } }, "response_format.json_schema.schema", "invalid_request"],
  [{ ...hello, tools: [{}] }, "tools", "unsupported_field"],
  [
    { ...hello, messages: [user([{ type: "image_url", image_url: { url: "x" } }])] },
    "messages[0].content[0]",
    "unsupported_field",
  ],
])("a bad body gets 400 naming the field: %j", async (body, param, code) => {
  await using server = await startScripted();
  const response = await server.post(PATH, body);
  expect(response.status).toBe(400);
  const { error } = (await response.json()) as { error: { message: string } };
  expect(error).toMatchObject({ type: "invalid_request_error", param, code });
  expect(error.message).toContain(param);
  expect(server.runtime.generations).toHaveLength(0);
});

test("a number too large for JSON's readers is refused, not rounded to infinity", async () => {
  await using server = await startScripted();
  const response = await server.post(PATH, `{"model":"demo","messages":[{"role":"user","content":"x"}],"top_p":1e999}`);
  expect(response.status).toBe(400);
});

test("errors before the first byte are statuses in OpenAI's envelope", async () => {
  await using server = await startScripted();
  const missing = await server.post(PATH, { ...hello, model: "nope" });
  expect(missing.status).toBe(404);
  expect((await missing.json()) as unknown).toMatchObject({ error: { code: "model_not_found", param: "model" } });

  server.runtime.refusal = new ProxyError("context_length_exceeded", "The prompt is too long: 9 tokens > 5 maximum.");
  const long = await server.post(PATH, { ...hello, stream: true });
  expect(long.status).toBe(400);
  expect((await long.json()) as unknown).toMatchObject({ error: { code: "context_length_exceeded" } });

  server.runtime.refusal = "a string that somebody threw in /secret/place";
  const thrown = await server.post(PATH, hello);
  expect(thrown.status).toBe(500);
  expect(await thrown.text()).not.toContain("secret");
});

test("an error behind the first byte is an event, and no [DONE] follows", async () => {
  await using server = await startScripted();
  server.runtime.script = (generation) =>
    generation.say("Hel").events.close(new ProxyError("runner_crashed", "The runner ended."));
  const body = await (await server.post(PATH, { ...hello, stream: true })).text();
  expect(chunksOf(body).at(-1)).toEqual({
    error: { message: "The runner ended.", type: "server_error", param: null, code: "runner_crashed" },
  });
  expect(body).not.toContain("[DONE]");
  expect(await server.observer.request()).toMatchObject({ status: 200, error: "runner_crashed", completionTokens: 1 });
});

test("models are listed and found by name", async () => {
  await using server = await startScripted();
  const entry = { id: "demo:latest", object: "model", created: 1767323045, owned_by: "npu-proxy" };
  const list = await fetch(`${server.url}/v1/models`);
  expect((await list.json()) as unknown).toEqual({ object: "list", data: [entry] });
  expect((await (await fetch(`${server.url}/v1/models/demo`)).json()) as unknown).toEqual(entry);
  const missing = await fetch(`${server.url}/v1/models/some/body`);
  expect(missing.status).toBe(404);
  expect((await missing.json()) as unknown).toMatchObject({ error: { code: "model_not_found" } });
});

test("the openai package completes, streams, lists and gets typed errors", async () => {
  await using server = await startScripted();
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "unused", maxRetries: 0 });
  const messages = [{ role: "user" as const, content: "Say hello" }];

  const whole = await client.chat.completions.create({ model: "demo", messages });
  expect(whole.choices[0]?.message.content).toBe("Hello there");

  const stream = await client.chat.completions.create({
    model: "demo",
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let total: number | undefined;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    total = chunk.usage?.total_tokens ?? total;
  }
  expect(text).toBe("Hello there");
  expect(total).toBe(10);

  expect((await client.models.list()).data.map(({ id }) => id)).toEqual(["demo:latest"]);
  expect((await client.models.retrieve("demo")).id).toBe("demo:latest");
  const failure = await client.chat.completions.create({ model: "nope", messages }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(APIError);
  expect(failure).toMatchObject({ status: 404, code: "model_not_found" });
});

test("the openai package throws an in-band error and cancels by breaking out", async () => {
  await using server = await startScripted();
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "unused", maxRetries: 0 });
  const ask = () =>
    client.chat.completions.create({ model: "demo", messages: [{ role: "user", content: "x" }], stream: true });

  server.runtime.script = (generation) => generation.say("a").events.close(new ProxyError("runner_crashed", "Gone."));
  const read = async () => {
    for await (const _ of await ask());
  };
  expect(await read().catch((error: unknown) => error)).toMatchObject({ message: "Gone." });
  await server.observer.request(1);

  server.runtime.script = (generation) => void generation.say("a");
  for await (const chunk of await ask()) if (chunk.choices[0]?.delta.content === "a") break;
  await server.runtime.last.cancelled;
  expect(await server.observer.request(2)).toMatchObject({ status: 499, error: "client_closed" });
});
