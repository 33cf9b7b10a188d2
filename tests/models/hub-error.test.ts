import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hubErrorOf, retryAfterMs } from "../../src/models/hub/hub-error.ts";
import { DEMO } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { demoRepository } from "../support/hub.ts";
import { type HubScene, hubScene, TOKEN } from "../support/hub-scene.ts";

const { signal } = new AbortController();
let it: HubScene;

beforeEach(async () => {
  it = await hubScene();
});

afterEach(() => it[Symbol.dispose]());

test.each([
  [{ status: 429, headers: { "Retry-After": "7" } }, 7000],
  [{ status: 429, headers: { RateLimit: '"api";r=0;t=55' } }, 55_000],
  [{ status: 503 }, undefined],
  [{ status: 500, headers: { "Retry-After": "nonsense" } }, undefined],
])("%p can be tried later, after as long as it says", async (fault, wait) => {
  it.server.fault({ path: "test/demo" }, fault);
  const error = await failure(it.hub.resolve("test/demo", "main", signal));
  expect([error.code, hubErrorOf(error)?.retry, hubErrorOf(error)?.retryAfterMs]).toEqual([
    "hub_failed",
    "later",
    wait,
  ]);
  expect(error.message).not.toContain("own words");
});

test("a date in Retry-After counts from now", () => {
  const headers = new Headers({ "Retry-After": "Sat, 21 Nov 2026 10:00:30 GMT" });
  expect(retryAfterMs(headers, Date.parse("2026-11-21T10:00:00Z"))).toBe(30_000);
  expect(retryAfterMs(headers, Date.parse("2026-11-21T11:00:00Z"))).toBe(0);
  expect(retryAfterMs(new Headers({ RateLimit: '"api";r=3;t=55' }), 0)).toBeUndefined();
});

test.each([401, 403])("%d to one without a token speaks of none that was sent", async (status) => {
  it.server.fault({ path: "test/demo", times: 1 }, { status });
  const error = await failure(it.connect({}).resolve("test/demo", "main", signal));
  expect([error.code, error.message]).toEqual(["hub_denied", expect.stringContaining("Set HF_TOKEN to a token")]);
  expect(error.message).not.toMatch(/this token|it got/);
});

test("a token that it does not know is told so, without being repeated", async () => {
  it.server.fault({ path: "test/demo" }, { status: 401 });
  const error = await failure(it.connect({ token: TOKEN }).resolve("test/demo", "main", signal));
  expect([error.code, error.message]).toEqual(["hub_denied", expect.stringContaining("HF_TOKEN")]);
  expect(`${error.message}${error.detail}`).not.toContain("secret");
});

test.each([
  ["<html>a login page</html>", {}],
  ['{"sha": 5}', { "Content-Type": "application/json" }],
  ["null", { "Content-Type": "application/json" }],
])("an answer that is none (%p) is the hub's fault", async (body, headers) => {
  it.server.fault({ path: "/api/" }, { status: 200, body, headers });
  expect((await failure(it.hub.resolve("test/demo", "main", signal))).code).toBe("hub_failed");
  expect((await failure(it.hub.files("test/demo", it.commit, signal))).code).toBe("hub_failed");
});

test("a gated repository says what to do, and opens with a token", async () => {
  const { commit: at } = it.server.addRepository("test/gated", { ...demoRepository(), gated: true, tokens: [TOKEN] });
  expect((await it.hub.resolve("test/gated", "main", signal)).commit).toBe(at);
  for (const token of [undefined, "hf_of_another_account"]) {
    const error = await failure(it.hub.open("test/gated", at, "config.json", { from: 0, signal, token }));
    expect([error.code, error.message]).toEqual(["hub_denied", expect.stringContaining("accept its conditions")]);
    expect(hubErrorOf(error)?.retry).toBe("never");
  }
  const content = await it.hub.read("test/gated", at, "config.json", 1000, signal, TOKEN);
  expect(Buffer.from(content)).toEqual(readFileSync(join(DEMO, "config.json")));
});

test("metadata that breaks off can be asked for again, and the caller's own reason ends a request", async () => {
  it.server.fault({ path: "/api/models/test/demo", at: "hub", times: 1 }, { cutAt: 20 });
  expect((await failure(it.hub.resolve("test/demo", "main", signal))).code).toBe("hub_unreachable");
  const control = new AbortController();
  const asked = it.hub.resolve("test/demo", "main", control.signal);
  const reason = new Error("the caller left");
  control.abort(reason);
  expect(await asked.catch((error: unknown) => error)).toBe(reason);
});
