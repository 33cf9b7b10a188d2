/** Several answers to one request, log probabilities, and forced output, over a scripted runtime. */
import { expect, test } from "bun:test";
import { ProxyError } from "../../../src/core/errors.ts";
import { type ScriptedGeneration, startScripted } from "../../support/scripted-runtime.ts";

const PATH = "/v1/chat/completions";
const hello = { model: "demo", messages: [{ role: "user", content: "Say hello" }] };

interface Chunk {
  readonly choices: readonly {
    readonly index: number;
    readonly delta: { readonly content?: string };
    readonly logprobs: unknown;
    readonly finish_reason: string | null;
  }[];
  readonly usage?: unknown;
  readonly error?: unknown;
}

function chunksOf(body: string): Chunk[] {
  const events = body.split("\n\n").filter((event) => event !== "" && event !== "data: [DONE]");
  return events.map((event) => JSON.parse(event.replace(/^data: /, "")));
}

const choiceOf = ({ request }: ScriptedGeneration) => Number(request.id.at(-1));

test("n answers are n generations with ids and seeds of their own", async () => {
  await using server = await startScripted();
  server.runtime.script = (generation) => generation.say("one", String(choiceOf(generation))).done("stop", 2);
  const headers = { "X-Request-ID": "req-1" };
  const response = await server.post(PATH, { ...hello, n: 3, seed: 5 }, { headers });
  expect((await response.json()) as unknown).toMatchObject({
    choices: [0, 1, 2].map((index) => ({ index, message: { content: `one${index}` }, finish_reason: "stop" })),
    usage: { prompt_tokens: 7, completion_tokens: 6, total_tokens: 13 },
  });
  const asked = server.runtime.generations.map(({ request }) => [request.id, request.sampling.seed]);
  expect(asked).toEqual([
    ["req-1-0", 5],
    ["req-1-1", 6],
    ["req-1-2", 7],
  ]);
  expect(await server.observer.request()).toMatchObject({ id: "req-1", completionTokens: 6 });
});

test("without a seed each choice draws its own", async () => {
  await using server = await startScripted();
  await server.post(PATH, { ...hello, n: 2 });
  expect(server.runtime.generations.map(({ request }) => request.sampling.seed)).toEqual([undefined, undefined]);
});

test("a stream mixes the choices as they come and finishes each", async () => {
  await using server = await startScripted();
  server.runtime.script = (generation) => void generation.say(`a${choiceOf(generation)}`);
  const asked = { ...hello, n: 2, stream: true, stream_options: { include_usage: true } };
  const response = await server.post(PATH, asked);
  const [first, second] = server.runtime.generations;
  second?.say("b1").done("length", 5);
  first?.say("b0").done("stop", 4);
  const body = await response.text();
  expect(body.split("data: [DONE]\n\n")).toHaveLength(2);
  expect(body.endsWith("data: [DONE]\n\n")).toBe(true);
  const chunks = chunksOf(body);
  for (const index of [0, 1]) {
    const own = chunks.flatMap(({ choices }) => choices.filter((choice) => choice.index === index));
    expect(own.map(({ delta }) => delta.content)).toEqual(["", `a${index}`, `b${index}`, undefined]);
    const finish = index === 0 ? "stop" : "length";
    expect(own.map(({ finish_reason }) => finish_reason)).toEqual([null, null, null, finish]);
  }
  expect(chunks.at(-1)).toMatchObject({
    choices: [],
    usage: { prompt_tokens: 7, completion_tokens: 9, total_tokens: 16 },
  });
});

test("a choice that fails fails the answer and cancels the others", async () => {
  await using server = await startScripted();
  const fail = (generation: ScriptedGeneration) => {
    generation.say("x");
    if (choiceOf(generation) === 1) generation.events.close(new ProxyError("runner_crashed", "Gone."));
  };
  server.runtime.script = fail;
  const streamed = await (await server.post(PATH, { ...hello, n: 3, stream: true })).text();
  expect(chunksOf(streamed).at(-1)).toMatchObject({ error: { code: "runner_crashed" } });
  expect(streamed).not.toContain("[DONE]");
  const whole = await server.post(PATH, { ...hello, n: 3 });
  expect(whole.status).toBe(500);
  for (const generation of server.runtime.generations) if (choiceOf(generation) !== 1) await generation.cancelled;
});

test("a choice that is refused is a clean status and leaves none running", async () => {
  await using server = await startScripted();
  const generate = server.runtime.generate.bind(server.runtime);
  server.runtime.script = (generation) => void generation.say("x");
  server.runtime.generate = async (request, signal) => {
    if (request.id.endsWith("-1")) throw new ProxyError("queue_full", "Too many requests wait.");
    return generate(request, signal);
  };
  const response = await server.post(PATH, { ...hello, n: 3, stream: true });
  expect(response.status).toBe(429);
  expect(server.runtime.generations).toHaveLength(2);
  for (const { cancelled } of server.runtime.generations) await cancelled;
});

test("leaving cancels all choices", async () => {
  await using server = await startScripted();
  server.runtime.script = (generation) => void generation.say("x");
  const leave = new AbortController();
  const response = await server.post(PATH, { ...hello, n: 3, stream: true }, { signal: leave.signal });
  await response.body?.getReader().read();
  leave.abort();
  for (const { cancelled } of server.runtime.generations) await cancelled;
  expect(await server.observer.request()).toMatchObject({ status: 499, error: "client_closed" });
});

test("logprobs have OpenAI's shape, streamed and whole, and no alternatives", async () => {
  await using server = await startScripted();
  server.runtime.script = (generation) => {
    generation.events.push({ type: "delta", text: "Hé", tokens: 1, logprobs: [{ token: "Hé", logprob: -0.5 }] });
    generation.events.push({ type: "delta", text: "", tokens: 1, logprobs: [{ token: "!", logprob: -1 }] });
    generation.done();
  };
  const he = { token: "Hé", logprob: -0.5, bytes: [72, 195, 169], top_logprobs: [] };
  const bang = { token: "!", logprob: -1, bytes: [33], top_logprobs: [] };
  const asked = { ...hello, logprobs: true, top_logprobs: 20 };
  expect((await (await server.post(PATH, asked)).json()) as unknown).toMatchObject({
    choices: [{ message: { content: "Hé" }, logprobs: { content: [he, bang] } }],
  });
  expect(server.runtime.last.request.sampling.logprobs).toBe(true);
  const chunks = chunksOf(await (await server.post(PATH, { ...asked, stream: true })).text());
  const told = chunks.map(({ choices }) => choices[0]?.logprobs);
  expect(told).toEqual([null, { content: [he], refusal: null }, { content: [bang], refusal: null }, null]);
});

const SCHEMA = { type: "object", properties: { a: { type: "string" } } };
const TAG = { type: "structural_tag", format: { type: "any_text" } };

test.each([
  [{ response_format: { type: "text" } }, undefined],
  [{ response_format: { type: "json_object" } }, { kind: "json_schema", source: '{"type":"object"}' }],
  [
    { response_format: { type: "json_schema", json_schema: { name: "x", strict: true, schema: SCHEMA } } },
    { kind: "json_schema", source: JSON.stringify(SCHEMA) },
  ],
  [{ response_format: TAG }, { kind: "structural_tags", source: JSON.stringify(TAG) }],
  [{ structured_outputs: { json: SCHEMA } }, { kind: "json_schema", source: JSON.stringify(SCHEMA) }],
  [{ structured_outputs: { json_object: true } }, { kind: "json" }],
  [{ structured_outputs: { regex: "a+" } }, { kind: "regex", source: "a+" }],
  [{ structured_outputs: { grammar: 'root ::= "a"' } }, { kind: "ebnf", source: 'root ::= "a"' }],
  [
    { structured_outputs: { structural_tag: JSON.stringify(TAG) } },
    { kind: "structural_tags", source: JSON.stringify(TAG) },
  ],
  [{ guided_json: JSON.stringify(SCHEMA) }, { kind: "json_schema", source: JSON.stringify(SCHEMA) }],
  [{ guided_regex: "a+" }, { kind: "regex", source: "a+" }],
  [{ guided_grammar: 'root ::= "a"' }, { kind: "ebnf", source: 'root ::= "a"' }],
])("%j is a grammar", async (fields, grammar) => {
  await using server = await startScripted();
  expect((await server.post(PATH, { ...hello, ...fields })).status).toBe(200);
  expect(server.runtime.last.request.sampling.grammar).toEqual(grammar as never);
});

test("the older form of a structural tag is written in the newer one", async () => {
  await using server = await startScripted();
  const structures = [{ begin: "<f>", schema: SCHEMA, end: "</f>" }];
  await server.post(PATH, { ...hello, response_format: { type: "structural_tag", structures, triggers: ["<f"] } });
  const { grammar } = server.runtime.last.request.sampling;
  expect(grammar?.kind === "structural_tags" && (JSON.parse(grammar.source) as unknown)).toEqual({
    type: "structural_tag",
    format: {
      type: "triggered_tags",
      triggers: ["<f"],
      tags: [{ begin: "<f>", content: { type: "json_schema", json_schema: SCHEMA }, end: "</f>" }],
    },
  });
});

test.each([
  [
    { response_format: { type: "json_schema", json_schema: { schema: { enum: [] } } } },
    "response_format.json_schema.schema",
  ],
  [{ guided_json: "false" }, "guided_json"],
  [{ structured_outputs: { regex: "(" } }, "structured_outputs.regex"],
  [
    { response_format: { type: "structural_tag", structures: [null], triggers: ["a".repeat(20_000)] } },
    "response_format",
  ],
])("a bad grammar is a 400 that names its field, before anything runs: %j", async (fields, param) => {
  await using server = await startScripted();
  const response = await server.post(PATH, { ...hello, ...fields });
  expect(response.status).toBe(400);
  expect((await response.json()) as unknown).toMatchObject({ error: { code: "invalid_grammar", param } });
  expect(server.runtime.generations).toHaveLength(0);
});
