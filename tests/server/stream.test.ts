import { expect, test } from "bun:test";
import { startScripted } from "../support/scripted-runtime.ts";

const CHATS = [
  ["/api/chat", { model: "demo", messages: [{ role: "user", content: "x" }] }],
  ["/api/generate", { model: "demo", prompt: "x" }],
  ["/v1/chat/completions", { model: "demo", messages: [{ role: "user", content: "x" }] }],
] as const;

test.each(CHATS)("%s: leaving mid-stream cancels the generation", async (path, body) => {
  await using server = await startScripted();
  server.runtime.script = (generation) => void generation.say("one");
  const leave = new AbortController();
  const response = await server.post(path, { ...body, stream: true }, { signal: leave.signal });
  await response.body?.getReader().read();
  leave.abort();
  await server.runtime.last.cancelled;
  expect(server.runtime.last.signal.aborted).toBe(true);
  expect(await server.observer.request()).toMatchObject({ status: 499, error: "client_closed", promptTokens: 7 });
});

test.each(CHATS)("%s: leaving while a whole answer is made cancels it", async (path, body) => {
  await using server = await startScripted();
  server.runtime.script = (generation) => void generation.say("one");
  const leave = new AbortController();
  const response = server.post(path, { ...body, stream: false }, { signal: leave.signal });
  await server.runtime.asked;
  leave.abort();
  expect(await response.catch((error: unknown) => error)).toBeInstanceOf(Error);
  await server.runtime.last.cancelled;
  expect(await server.observer.request()).toMatchObject({ status: 499, error: "client_closed" });
});

test.each(CHATS)("%s: leaving while the model loads cancels that", async (path, body) => {
  await using server = await startScripted();
  server.runtime.loading = true;
  const leave = new AbortController();
  const response = server.post(path, { ...body, stream: true }, { signal: leave.signal });
  await server.runtime.asked;
  leave.abort();
  expect(await response.catch((error: unknown) => error)).toBeInstanceOf(Error);
  await server.runtime.last.cancelled;
  expect(await server.observer.request()).toMatchObject({ status: 499, error: "client_closed" });
});

test("a disconnect ends one generation and leaves its neighbour alone", async () => {
  await using server = await startScripted();
  server.runtime.script = (generation) => void generation.say("one");
  const leave = new AbortController();
  const [path, body] = CHATS[0];
  const staying = await server.post(path, body);
  const leaving = await server.post(path, body, { signal: leave.signal });
  await leaving.body?.getReader().read();
  leave.abort();
  const [first, second] = server.runtime.generations;
  await second?.cancelled;
  first?.say("two").done();
  const lines = (await staying.text()).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).message.content)).toEqual(["one", "two", ""]);
  expect(first?.signal.aborted).toBe(false);
});

test("text arrives while the answer is still being made", async () => {
  await using server = await startScripted();
  server.runtime.script = (generation) => void generation.say("one");
  const reader = (await server.post(...CHATS[1])).body?.getReader();
  const first = await reader?.read();
  expect(new TextDecoder().decode(first?.value)).toContain('"response":"one"');
  server.runtime.last.say("two").done();
  const second = await reader?.read();
  expect(new TextDecoder().decode(second?.value)).toContain('"response":"two"');
});

test("a client that does not read is ended, and its generation cancelled", async () => {
  await using server = await startScripted({ slowReaderMs: 200 });
  // More than the kernel's buffers take for a reader that sleeps.
  server.runtime.script = (generation) => {
    for (let i = 0; i < 1000; i++) generation.say("x".repeat(64 * 1024));
  };
  const ended = Promise.withResolvers<void>();
  let tail = "";
  const body = JSON.stringify(CHATS[1][1]);
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port,
    socket: {
      open(opened) {
        opened.write(`POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        opened.pause();
      },
      data(_, chunk) {
        tail = (tail + chunk.toString()).slice(-2000);
        if (tail.includes('{"error":"The client read nothing')) ended.resolve();
      },
      close: () => ended.resolve(),
    },
  });
  expect(await server.observer.request()).toMatchObject({ status: 200, error: "slow_reader" });
  await server.runtime.last.cancelled;
  expect(server.runtime.last.signal.aborted).toBe(true);
  // Whoever wakes up in time still reads why; whoever does not finds the connection closed.
  socket.resume();
  await ended.promise;
  socket.terminate();
});

test("an unread stream asks the engine for nothing more", async () => {
  await using server = await startScripted();
  const limit = 1000;
  let taken = 0;
  const response = await (async () => {
    const generate = server.runtime.generate.bind(server.runtime);
    server.runtime.generate = async (request, signal) => {
      const answer = await generate(request, signal);
      const events = (async function* () {
        for (; taken < limit; taken++) yield { type: "delta", text: "x".repeat(64 * 1024), tokens: 1 } as const;
      })();
      return { ...answer, events };
    };
    return server.app.fetch(
      new Request("http://localhost/api/generate", { method: "POST", body: JSON.stringify(CHATS[1][1]) }),
    );
  })();
  const reader = response.body?.getReader();
  await reader?.read();
  await reader?.read();
  expect(taken).toBeLessThan(4);
  await reader?.cancel();
  expect(await server.observer.request()).toMatchObject({ error: "client_closed" });
});
