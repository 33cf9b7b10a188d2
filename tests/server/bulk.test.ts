import { expect, test } from "bun:test";
import { ProxyError } from "../../src/core/errors.ts";
import { scriptedEmbeddings, vectorOf } from "../support/scripted-embeddings.ts";
import { type ScriptedServer, startScripted } from "../support/scripted-runtime.ts";

interface Line {
  readonly line?: number;
  readonly id?: string | number;
  readonly embedding?: number[] | string;
  readonly error?: string;
  readonly [field: string]: unknown;
}

const PATH = "/api/embed/bulk?model=minilm";

function unit(text: string): number[] {
  const vector = vectorOf(text);
  const length = Math.hypot(...vector);
  return [...vector.map((value) => value / length)];
}

function parsed(text: string): Line[] {
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

const bulk = async (server: ScriptedServer, body: string, query = "") => {
  const response = await fetch(`${server.url}${PATH}${query}`, { method: "POST", body });
  return { response, lines: parsed(await response.text()) };
};

/** A body whose lines a test sends when it likes. */
class Sender {
  readonly #controller = Promise.withResolvers<ReadableStreamDefaultController<Uint8Array>>();
  readonly body = new ReadableStream<Uint8Array>({ start: (controller) => this.#controller.resolve(controller) });

  async send(...texts: readonly string[]): Promise<void> {
    const controller = await this.#controller.promise;
    controller.enqueue(new TextEncoder().encode(texts.map((text) => `${JSON.stringify(text)}\n`).join("")));
  }

  async end(): Promise<void> {
    (await this.#controller.promise).close();
  }
}

test("each line has its vector, in order; what is wrong with a line is that line's alone", async () => {
  await using server = await startScripted();
  const body = [
    '"one"',
    '{"id":7,"text":"two"}',
    "",
    "nonsense",
    '{"id":"x","text":5}',
    "[1]",
    '{"id":{},"text":"a"}',
    '"a\\ud800"',
  ];
  const { response, lines } = await bulk(server, body.join("\n"));
  expect(response.headers.get("Content-Type")).toBe("application/x-ndjson");
  expect(response.headers.get("X-NPU-Proxy-Device")).toBe("CPU");
  expect(lines.map(({ embedding, ...rest }) => rest)).toEqual([
    { line: 1, tokens: 3 },
    { line: 2, id: 7, tokens: 3 },
    { line: 4, error: "The line is not valid JSON in UTF-8." },
    { line: 5, id: "x", error: "The line must be a JSON string, or an object with a text." },
    { line: 6, error: "The line must be a JSON string, or an object with a text." },
    { line: 7, error: "The line's id must be a string or a number." },
    { line: 8, tokens: 2 },
    { done: true, lines: 7, errors: 4, tokens: 8, cached: 0, truncated: 0 },
  ]);
  const vectors = lines.flatMap(({ embedding }) => (embedding ? [(embedding as number[]).map(Math.fround)] : []));
  expect(vectors).toEqual([unit("one"), unit("two"), unit("a\ufffd")]);
  expect(server.runtime.embeds.every(({ priority }) => priority === "batch")).toBe(true);
  expect(await server.observer.request()).toMatchObject({ status: 200, promptTokens: 8, inputs: 7, errors: 4 });
});

test("many lines come in order, embedded by the 64", async () => {
  await using server = await startScripted();
  const texts = Array.from({ length: 1000 }, (_, i) => `text ${i}`);
  server.runtime.embedding = async (request) => {
    await Bun.sleep(Math.random() * 5);
    return scriptedEmbeddings(request);
  };
  const { lines } = await bulk(server, texts.map((text) => JSON.stringify(text)).join("\n"));
  expect(lines.slice(0, -1).map(({ line }) => line)).toEqual(texts.map((_, i) => i + 1));
  expect(((lines[777]?.embedding ?? []) as number[]).map(Math.fround)).toEqual(unit("text 777"));
  expect(Math.max(...server.runtime.embeds.map(({ inputs }) => inputs.length))).toBe(64);
  expect(server.runtime.taken).toBe(0);
});

test("it goes on from a line: those before are not embedded", async () => {
  await using server = await startScripted();
  const { lines } = await bulk(server, '"a"\n\nnonsense\n"d"\n"e"\n', "&from=4");
  expect(lines.map(({ line, done }) => line ?? done)).toEqual([4, 5, true]);
  expect(server.runtime.embeds.flatMap(({ inputs }) => inputs)).toEqual(["d", "e"]);
});

test("parameters: base64, purpose, dimensions, truncation", async () => {
  await using server = await startScripted();
  const { lines } = await bulk(
    server,
    '"a"',
    "&encoding_format=base64&input_type=query&dimensions=4&truncate=false&keep_alive=1h",
  );
  const bytes = Uint8Array.from(atob(lines[0]?.embedding as string), (letter) => letter.charCodeAt(0));
  expect([...new Float32Array(bytes.buffer)]).toEqual(unit("a"));
  expect(server.runtime.embeds[0]).toMatchObject({
    purpose: "query",
    dimensions: 4,
    truncate: false,
    keepAliveMs: 3_600_000,
  });
});

test.each([
  ["&form=5", 400, "form is no parameter of this address"],
  ["&from=0", 400, "from must be a line's number, 1 or more"],
  ["&encoding_format=int8", 400, "encoding_format must be one of float, base64"],
  ["&input_type=poem", 400, "input_type must be one of "],
] as const)("%s is refused", async (query, status, message) => {
  await using server = await startScripted();
  const response = await fetch(`${server.url}${PATH}${query}`, { method: "POST", body: '"a"' });
  expect([response.status, await response.json()]).toEqual([status, { error: expect.stringContaining(message) }]);
});

test("a model that is not there is told before a line is read", async () => {
  await using server = await startScripted();
  const sender = new Sender();
  const response = await fetch(`${server.url}/api/embed/bulk?model=nope`, { method: "POST", body: sender.body });
  expect([response.status, await response.json()]).toEqual([404, { error: expect.stringContaining("not found") }]);
});

test("pages of other machines, and bodies that are no JSON by their type, are refused", async () => {
  await using server = await startScripted({ allowedHosts: ["example.org"] });
  const ask = (headers: Record<string, string>) => fetch(server.url + PATH, { method: "POST", body: '"a"', headers });
  expect((await ask({ Origin: "http://example.org" })).status).toBe(403);
  expect((await ask({ "Content-Type": "text/plain" })).status).toBe(400);
  expect((await ask({ "Content-Encoding": "gzip" })).status).toBe(400);
  for (const type of ["application/x-ndjson", "application/jsonl", "application/json"])
    expect((await ask({ "Content-Type": type })).status).toBe(200);
});

test("one text that is too long is that line's error, and the others have their vectors", async () => {
  await using server = await startScripted();
  const { lines } = await bulk(server, `"a"\n"${"x".repeat(101)}"\n"c"`, "&truncate=false");
  expect(lines.map(({ line, error, embedding }) => [line, typeof embedding, error])).toEqual([
    [1, "object", undefined],
    [2, "undefined", "A text is longer than 100 tokens."],
    [3, "object", undefined],
    [undefined, "undefined", undefined],
  ]);
  expect(lines.at(-1)).toMatchObject({ done: true, lines: 3, errors: 1 });
});

test("what no text is to blame for is the request's own error, told at once", async () => {
  await using server = await startScripted();
  const sentence = "8 dimensions are asked for, and vectors of 'minilm' have 4.";
  server.runtime.embedding = () => Promise.reject(new ProxyError("invalid_request", sentence, { param: "dimensions" }));
  const response = await fetch(`${server.url}${PATH}&dimensions=8`, { method: "POST", body: '"a"\n"b"\n' });
  expect([response.status, await response.json()]).toEqual([400, { error: sentence }]);
  expect(server.runtime.embeds).toHaveLength(1);
});

test("a line that is too long for a line is its error, and is not kept", async () => {
  await using server = await startScripted();
  const long = `"${"x".repeat(9 << 20)}"`;
  const { lines } = await bulk(server, `"a"\n${long}\n"c"\n${long}`);
  expect(lines.map(({ line, error }) => [line, error?.slice(0, 23)])).toEqual([
    [1, undefined],
    [2, "The line is longer than"],
    [3, undefined],
    [4, "The line is longer than"],
    [undefined, undefined],
  ]);
});

test("a line of a megabyte is a text", async () => {
  await using server = await startScripted();
  const { lines } = await bulk(server, JSON.stringify("x".repeat(1 << 20)));
  expect(lines[0]).toMatchObject({ line: 1, tokens: 100 });
  expect(lines[1]).toMatchObject({ truncated: 1 });
});

test("a model that fails ends it with an error, whatever else is to come", async () => {
  await using server = await startScripted();
  const sender = new Sender();
  server.runtime.embedding = (request) => {
    if (request.inputs.includes("bad")) throw new ProxyError("runner_crashed", "The runner ended.");
    return scriptedEmbeddings(request);
  };
  const answering = fetch(server.url + PATH, { method: "POST", body: sender.body });
  await sender.send("good");
  const response = await answering;
  await sender.send("bad");
  const lines = parsed(await response.text());
  expect(lines.map(({ line, error, code }) => [line, error, code])).toEqual([
    [1, undefined, undefined],
    [undefined, "The runner ended.", "runner_crashed"],
  ]);
  expect(await server.observer.request()).toMatchObject({ error: "runner_crashed" });
});

test("a model that fails at once is a clean status", async () => {
  await using server = await startScripted();
  server.runtime.embedding = () => Promise.reject(new ProxyError("insufficient_memory", "There is no room."));
  const sender = new Sender();
  const answering = fetch(server.url + PATH, { method: "POST", body: sender.body });
  await sender.send("a");
  const response = await answering;
  expect([response.status, await response.json()]).toEqual([503, { error: "There is no room." }]);
});

test("a full queue is waited for", async () => {
  await using server = await startScripted();
  let refusals = 2;
  server.runtime.embedding = (request) => {
    if (refusals-- > 0) throw new ProxyError("queue_full", "Too many wait.", { retryAfterMs: 1 });
    return scriptedEmbeddings(request);
  };
  const { lines } = await bulk(server, '"a"');
  expect(lines.map(({ line, done }) => line ?? done)).toEqual([1, true]);
});

test("what was made up says so on every line", async () => {
  await using server = await startScripted();
  server.runtime.embedding = (request) => ({ ...scriptedEmbeddings(request), fallback: true });
  const { response, lines } = await bulk(server, '"a"\n"b"');
  expect(response.headers.get("X-NPU-Proxy-Fallback")).toBe("hash");
  expect(lines.slice(0, 2).map(({ fallback }) => fallback)).toEqual(["hash", "hash"]);
});

test("a line is answered while the next is not yet sent", async () => {
  await using server = await startScripted();
  const sender = new Sender();
  const answering = fetch(server.url + PATH, { method: "POST", body: sender.body });
  await sender.send("one");
  const response = await answering;
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const text = async () => new TextDecoder().decode((await reader.read()).value);
  expect(await text()).toStartWith('{"line":1,');
  await sender.send("two");
  expect(await text()).toStartWith('{"line":2,');
  await sender.end();
  expect(JSON.parse(await text())).toMatchObject({ done: true, lines: 2 });
});

test("no more lines are read than answers: an unread stream stops asking", async () => {
  await using server = await startScripted();
  let sent = 0;
  const chunk = new TextEncoder().encode(`${JSON.stringify("text ".repeat(20))}\n`.repeat(64));
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      sent += 1;
      controller.enqueue(chunk);
    },
  });
  const app = server.app;
  const response = await app.fetch(new Request(`http://localhost${PATH}`, { method: "POST", body }));
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const pulled = async () => {
    // Whatever would still be asked for is asked for within these turns.
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    return sent;
  };
  const before = await pulled();
  expect(before).toBeLessThan(12);
  expect(await pulled()).toBe(before);
  for (let i = 0; i < 20; i++) await reader.read();
  expect((await pulled()) - before).toBeLessThanOrEqual(20);
  await reader.cancel();
  expect(await server.observer.request()).toMatchObject({ error: "client_closed" });
});

test("a client that leaves stops it", async () => {
  await using server = await startScripted();
  const left = Promise.withResolvers<void>();
  const began = Promise.withResolvers<void>();
  server.runtime.embedding = (request, signal) => {
    if (request.inputs.includes("first")) return scriptedEmbeddings(request);
    began.resolve();
    signal.addEventListener("abort", () => left.resolve());
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  const sender = new Sender();
  const leaving = new AbortController();
  const answering = fetch(server.url + PATH, { method: "POST", body: sender.body, signal: leaving.signal });
  await sender.send("first");
  const response = await answering;
  await sender.send("second");
  await began.promise;
  leaving.abort();
  await response.text().catch(() => undefined);
  await left.promise;
  expect(await server.observer.request()).toMatchObject({ status: 499, error: "client_closed" });
});
