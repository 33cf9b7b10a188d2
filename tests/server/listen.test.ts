import { expect, test } from "bun:test";
import { Hono } from "hono";
import type { ServerEnv } from "../../src/server/exchange.ts";
import { listen } from "../../src/server/listen.ts";
import { startScripted } from "../support/scripted-runtime.ts";

const app = () => new Hono<ServerEnv>().get("/", (c) => c.text("ok"));

test("port 0 takes a free port and the url reaches it", async () => {
  const listening = await listen(app(), { host: "0.0.0.0", port: 0 });
  expect(listening.url).toBe(`http://127.0.0.1:${listening.port}`);
  expect(await (await fetch(listening.url)).text()).toBe("ok");
  await listening.stop();
  expect(await fetch(listening.url).catch((error: unknown) => error)).toBeInstanceOf(Error);
});

test.each(["127.0.0.1", "0.0.0.0", "localhost"])("a taken port is told with what to do: %s", async (host) => {
  const first = await listen(app(), { host: "127.0.0.1", port: 0 });
  const second = await listen(app(), { host, port: first.port }).catch((error: unknown) => error);
  expect(second).toMatchObject({ code: "address_in_use", message: expect.stringContaining("--port") });
  expect(await (await fetch(first.url)).text()).toBe("ok");
  await first.stop();
});

test.each(["256.1.1.1", "203.0.113.7"])("an address that is not of this machine is told: %s", async (host) => {
  const failure = await listen(app(), { host, port: 0 }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "address_unavailable", message: expect.stringContaining(host) });
});

test("stop waits for a running answer; its deadline does not", async () => {
  const server = await startScripted();
  server.runtime.script = (generation) => void generation.say("one");
  const body = { model: "demo", prompt: "x" };
  const running = await server.post("/api/generate", body);
  const stopped = server.stop();
  server.runtime.last.say("two").done();
  expect((await running.text()).trimEnd().split("\n")).toHaveLength(3);
  await stopped;

  const impatient = await startScripted();
  impatient.runtime.script = (generation) => void generation.say("one");
  await impatient.post("/api/generate", body);
  const deadline = new AbortController();
  const ended = impatient.stop(deadline.signal);
  deadline.abort();
  await ended;
  await impatient.runtime.last.cancelled;
});
