/** An empty prompt or conversation: loads a model, or unloads it where it is to be kept for no time. */
import { expect, test } from "bun:test";
import { Ollama } from "ollama";
import { startScripted } from "../../support/scripted-runtime.ts";

const EMPTY = [
  ["/api/generate", { model: "demo" }, { response: "" }],
  ["/api/generate", { model: "demo", prompt: "" }, { response: "" }],
  ["/api/chat", { model: "demo", messages: [] }, { message: { role: "assistant", content: "" } }],
] as const;

test.each(EMPTY)("%s of %j with keep_alive 0 unloads", async (path, body, text) => {
  await using server = await startScripted();
  for (const keep_alive of [0, "0s", "0", "0m0s"]) {
    const response = await server.post(path, { ...body, keep_alive });
    expect([response.status, await response.json()]).toEqual([
      200,
      { model: "demo", created_at: expect.any(String), ...text, done: true, done_reason: "unload" },
    ]);
  }
  expect(server.runtime.unloads).toEqual(Array(4).fill({ model: "demo" }));
  expect([server.runtime.loads, server.runtime.generations]).toEqual([[], []]);
  await server.post(path, { ...body, model: "demo@cpu", keep_alive: "0s" });
  expect(server.runtime.unloads.at(-1)).toEqual({ model: "demo", device: "CPU" });
});

test.each(EMPTY)("%s of %j loads, for as long as it says and where it says", async (path, body) => {
  await using server = await startScripted();
  const response = await server.post(path, { ...body, model: "demo@npu", keep_alive: -1 });
  expect((await response.json()) as unknown).toMatchObject({ model: "demo@npu", done_reason: "load", done: true });
  await server.post(path, { ...body, keep_alive: null });
  expect(server.runtime.loads).toEqual([
    { model: "demo", device: "NPU", keepAliveMs: Number.POSITIVE_INFINITY },
    { model: "demo" },
  ]);
});

test("with a prompt keep_alive 0 answers, and the model is unloaded after it", async () => {
  await using server = await startScripted();
  await server.post("/api/generate", { model: "demo", prompt: "x", keep_alive: 0, stream: false });
  expect(server.runtime.last.request.keepAliveMs).toBe(0);
  expect(server.runtime.unloads).toEqual([]);
});

test("a model that is not there can be neither loaded nor unloaded", async () => {
  await using server = await startScripted();
  for (const keep_alive of ["5m", "0s"]) {
    const response = await server.post("/api/generate", { model: "nope", keep_alive });
    expect([response.status, await response.json()]).toEqual([404, { error: expect.stringContaining("not found") }]);
  }
});

test("an unload finds its way even where nothing more may wait", async () => {
  await using server = await startScripted();
  server.runtime.full = new Error("full");
  expect((await server.post("/api/generate", { model: "demo", keep_alive: 0 })).status).toBe(200);
});

test("the ollama package unloads", async () => {
  await using server = await startScripted();
  const client = new Ollama({ host: server.url });
  const answer = await client.generate({ model: "demo", prompt: "", keep_alive: 0 });
  expect(answer.done_reason).toBe("unload");
});
