import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createHub, type Hub, type HubOptions } from "../../src/models/hub/hub.ts";
import { hubErrorOf, retryAfterMs } from "../../src/models/hub/hub-error.ts";
import { DEMO, temporaryFolder } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { demoRepository, startHub, type TestHub } from "../support/hub.ts";

const CONFIG_BYTES = readFileSync(join(DEMO, "config.json")).length;

const TOKEN = "hf_secret_of_a_test";
const WEIGHTS = readFileSync(join(DEMO, "openvino_model.bin"));
const { signal } = new AbortController();

let server: TestHub;
let folder: ReturnType<typeof temporaryFolder>;
let hub: Hub;
let commit: string;
const lines: string[] = [];

beforeEach(async () => {
  server = await startHub();
  folder = temporaryFolder();
  hub = connect();
  commit = server.addRepository("test/demo", demoRepository()).commit;
});

afterEach(() => {
  server.stop();
  folder[Symbol.dispose]();
  lines.length = 0;
});

function connect(options: Partial<HubOptions> = {}): Hub {
  const observer = { log: (...line: unknown[]) => void lines.push(JSON.stringify(line)) };
  return createHub({ endpoint: server.url, cacheDirectory: folder.path, observer, ...options });
}

describe("resolve", () => {
  test("pins a branch to its commit and tells what the card says", async () => {
    expect(await hub.resolve("test/demo", "main", signal)).toEqual({
      commit,
      gated: false,
      tags: ["openvino", "text-generation", "llama", "license:mit"],
      library: "transformers",
      license: "mit",
    });
    server.addRepository("test/demo", { files: { "config.json": Buffer.from("{}") } });
    expect((await hub.resolve("test/demo", commit, signal)).commit).toBe(commit);
    expect((await hub.resolve("test/demo", "main", signal)).commit).not.toBe(commit);
  });

  test("follows a repository to its new name", async () => {
    server.fault({ path: "old/name" }, { redirectTo: "/api/models/test/demo/revision/main" });
    expect((await hub.resolve("old/name", "main", signal)).commit).toBe(commit);
  });

  test("says what is missing", async () => {
    const unknown = await failure(hub.resolve("test/none", "main", signal));
    expect([unknown.code, unknown.message]).toEqual([
      "model_not_found",
      expect.stringContaining("test/none was not found"),
    ]);
    const revision = await failure(hub.resolve("test/demo", "v9", signal));
    expect([revision.code, revision.message]).toEqual(["model_not_found", expect.stringContaining('no revision "v9"')]);
  });

  test("reads a private repository with a token, and hides it without", async () => {
    server.addRepository("test/private", { files: {}, private: true, tokens: [TOKEN] });
    expect((await failure(hub.resolve("test/private", "main", signal))).code).toBe("model_not_found");
    expect((await hub.resolve("test/private", "main", signal, TOKEN)).commit).toHaveLength(40);
    expect((await connect({ token: TOKEN }).resolve("test/private", "main", signal)).gated).toBe(false);
  });

  test.each([["../../etc"], ["a/b/c"], ["a"], ["a/.."], ["a/b?x=1"], ["a/b#"], ["a/%2e%2e"], [""]])(
    "asks for nothing under the name %p",
    async (name) => {
      expect((await failure(hub.resolve(name, "main", signal))).code).toBe("invalid_request");
      expect((await failure(hub.files(name, commit, signal))).code).toBe("invalid_request");
      expect(server.requests).toEqual([]);
    },
  );

  test.each([["../main"], ["a/../b"], [""], ["a b"], ["-x"], ["a?b"]])("takes %p for no revision", async (revision) => {
    expect((await failure(hub.resolve("test/demo", revision, signal))).code).toBe("invalid_request");
  });

  test.each([["../../../evil"], ["deadbeef"], ["A".repeat(40)], [`${"a".repeat(40)}/..`]])(
    "refuses the commit %p",
    async (lie) => {
      server.addRepository("test/liar", { files: {}, commit: lie });
      expect((await failure(hub.resolve("test/liar", "main", signal))).code).toBe("hub_failed");
    },
  );
});

describe("errors of the hub", () => {
  test.each([
    [{ status: 429, headers: { "Retry-After": "7" } }, 7000],
    [{ status: 429, headers: { RateLimit: '"api";r=0;t=55' } }, 55_000],
    [{ status: 503 }, undefined],
    [{ status: 500, headers: { "Retry-After": "nonsense" } }, undefined],
  ])("%p can be tried later, after as long as it says", async (fault, wait) => {
    server.fault({ path: "test/demo" }, fault);
    const error = await failure(hub.resolve("test/demo", "main", signal));
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
    server.fault({ path: "test/demo", times: 1 }, { status });
    const error = await failure(connect({}).resolve("test/demo", "main", signal));
    expect([error.code, error.message]).toEqual(["hub_denied", expect.stringContaining("Set HF_TOKEN to a token")]);
    expect(error.message).not.toMatch(/this token|it got/);
  });

  test("a token that it does not know is told so, without being repeated", async () => {
    server.fault({ path: "test/demo" }, { status: 401 });
    const error = await failure(connect({ token: TOKEN }).resolve("test/demo", "main", signal));
    expect([error.code, error.message]).toEqual(["hub_denied", expect.stringContaining("HF_TOKEN")]);
    expect(`${error.message}${error.detail}`).not.toContain("secret");
  });

  test.each([
    ["<html>a login page</html>", {}],
    ['{"sha": 5}', { "Content-Type": "application/json" }],
    ["null", { "Content-Type": "application/json" }],
  ])("an answer that is none (%p) is the hub's fault", async (body, headers) => {
    server.fault({ path: "/api/" }, { status: 200, body, headers });
    expect((await failure(hub.resolve("test/demo", "main", signal))).code).toBe("hub_failed");
    expect((await failure(hub.files("test/demo", commit, signal))).code).toBe("hub_failed");
  });

  test("a gated repository says what to do, and opens with a token", async () => {
    const { commit: at } = server.addRepository("test/gated", { ...demoRepository(), gated: true, tokens: [TOKEN] });
    expect((await hub.resolve("test/gated", "main", signal)).gated).toBe(true);
    for (const token of [undefined, "hf_of_another_account"]) {
      const error = await failure(hub.open("test/gated", at, "config.json", { from: 0, signal, token }));
      expect([error.code, error.message]).toEqual(["hub_denied", expect.stringContaining("accept its conditions")]);
      expect(hubErrorOf(error)?.retry).toBe("never");
    }
    expect((await hub.read("test/gated", at, "config.json", 1000, signal, TOKEN)).length).toBe(CONFIG_BYTES);
  });
});

test("metadata that breaks off can be asked for again, and the caller's own reason ends a request", async () => {
  server.fault({ path: "/api/models/test/demo", at: "hub", times: 1 }, { cutAt: 20 });
  expect((await failure(hub.resolve("test/demo", "main", signal))).code).toBe("hub_unreachable");
  const control = new AbortController();
  const asked = hub.resolve("test/demo", "main", control.signal);
  const reason = new Error("the caller left");
  control.abort(reason);
  expect(await asked.catch((error: unknown) => error)).toBe(reason);
});

describe("open", () => {
  const open = (from = 0, ifRange?: string) =>
    hub.open("test/demo", commit, "openvino_model.bin", { from, ifRange, signal });

  test("gives a file from its beginning or from an offset", async () => {
    const whole = await open();
    expect(Buffer.from(await new Response(whole.body).bytes())).toEqual(WEIGHTS);
    const rest = await open(1_000_000, whole.etag);
    expect([rest.start, rest.total]).toEqual([1_000_000, WEIGHTS.length]);
    expect(Buffer.from(await new Response(rest.body).bytes())).toEqual(WEIGHTS.subarray(1_000_000));
    expect(server.requests.at(-1)?.headers).toMatchObject({
      range: "bytes=1000000-",
      "if-range": whole.etag,
      "accept-encoding": "identity",
    });
  });

  test("asks for nothing where nothing is left", async () => {
    const { commit: at } = server.addRepository("test/empty", { files: { empty: Buffer.alloc(0) } });
    expect(await hub.read("test/empty", at, "empty", 0, signal)).toEqual(new Uint8Array());
    const { body, start } = await open(WEIGHTS.length);
    expect([start, (await new Response(body).bytes()).length]).toEqual([WEIGHTS.length, 0]);
    expect(server.requests.every(({ path }) => path.startsWith("/api/"))).toBe(true);
  });

  test.each([[{ noRange: true }], [{ changedEtag: true }]] as const)("starts over with %p", async (fault) => {
    const { etag, body } = await open();
    await body.cancel();
    server.fault({ path: "openvino_model.bin" }, fault);
    const again = await open(5000, etag);
    expect(again.start).toBe(0);
    expect(Buffer.from(await new Response(again.body).bytes())).toEqual(WEIGHTS);
  });

  test("refuses a length, a hash and a commit that are not those of the list", async () => {
    server.fault({ path: "openvino_model.bin", times: 1 }, { wrongLength: true });
    const length = await failure(open());
    server.fault({ path: "openvino_model.bin", times: 1 }, { wrongLength: true });
    const range = await failure(open(10));
    server.fault({ path: "openvino_model.bin", times: 1, at: "hub" }, { changedEtag: true });
    const hash = await failure(open());
    const other = { "X-Repo-Commit": "f".repeat(40), Location: `${server.cdnUrl}/elsewhere` };
    server.fault({ path: "openvino_model.bin", times: 1 }, { status: 302, headers: other });
    const revision = await failure(open());
    for (const error of [length, range, hash, revision])
      expect([error.code, hubErrorOf(error)?.retry]).toEqual(["download_corrupt", "anew"]);
    expect(hash.message).toContain("another SHA-256");
    expect(revision.message).toContain("another commit");
    expect(server.requests.some(({ path }) => path.includes("elsewhere"))).toBe(false);
  });

  test.each([
    ["config.json", 0, { status: 200, headers: { "X-Repo-Commit": "f".repeat(40) } }, "another commit"],
    ["config.json", 9, { status: 206, headers: { "Content-Range": "bytes 8-441/442" } }, "another range"],
    ["config.json", 9, { status: 206, headers: { "Content-Range": "bytes 9-440/442" } }, "another range"],
    ["config.json", 9, { status: 206 }, "another range"],
    ["openvino_model.bin", 0, { status: 302, headers: { Location: "/x", "X-Linked-Size": "5" } }, "5 bytes"],
  ])("refuses %s from %p with %p", async (path, from, fault, why) => {
    server.fault({ path }, fault);
    const error = await failure(hub.open("test/demo", commit, path, { from, signal }));
    expect([error.code, error.message]).toEqual(["download_corrupt", expect.stringContaining(why)]);
  });

  test("asks for a new link where the old one has expired", async () => {
    server.fault({ path: "openvino_model.bin", at: "cdn", times: 1 }, { status: 403 });
    const error = await failure(open());
    expect([error.code, hubErrorOf(error)?.status, hubErrorOf(error)?.retry]).toEqual(["hub_failed", 403, "anew"]);
    expect((await open()).start).toBe(0);
  });

  test.each([["http://169.254.169.254/latest/meta-data"], ["https://10.0.0.1/"]])(
    "does not follow a redirect to %s",
    async (redirectTo) => {
      server.fault({ path: "openvino_model.bin" }, { redirectTo });
      const error = await failure(open());
      expect([error.code, hubErrorOf(error)?.retry]).toEqual(["hub_failed", "never"]);
    },
  );

  test("ends with the signal, in the middle of a body, too", async () => {
    server.fault({ path: "openvino_model.bin" }, { stall: true });
    const control = new AbortController();
    const { body } = await hub.open("test/demo", commit, "openvino_model.bin", { from: 0, signal: control.signal });
    const read = new Response(body).bytes().catch((error: unknown) => error);
    const reason = new Error("enough");
    control.abort(reason);
    expect(await read).toBeInstanceOf(Error);
  });

  test("knows the files of the list alone", async () => {
    expect((await failure(hub.open("test/demo", commit, "../../config.json", { from: 0, signal }))).code).toBe(
      "model_not_found",
    );
    expect(server.requests.length).toBe(1);
  });
});

describe("read", () => {
  test.each([["config.json"], ["openvino_tokenizer.bin"]])(
    "believes %s only with the hash of the list",
    async (path) => {
      const content = await hub.read("test/demo", commit, path, 1 << 20, signal);
      expect(Buffer.from(content)).toEqual(readFileSync(join(DEMO, path)));
      server.fault({ path }, { wrongBytes: true });
      expect((await failure(hub.read("test/demo", commit, path, 1 << 20, signal))).code).toBe("download_corrupt");
    },
  );

  test("takes no file larger than it may, and none that breaks off", async () => {
    expect((await failure(hub.read("test/demo", commit, "config.json", CONFIG_BYTES - 1, signal))).message).toContain(
      `${CONFIG_BYTES} bytes`,
    );
    expect(server.requests.length).toBe(1);
    server.fault({ path: "config.json" }, { cutAt: 100 });
    const error = await failure(hub.read("test/demo", commit, "config.json", 1000, signal));
    expect(error.code).toBe("hub_unreachable");
  });

  test("gives up a hub that falls silent in the middle of a file, and leaves nothing open for its caller", async () => {
    const path = "config.json";
    server.fault({ path }, { stall: true });
    const impatient = connect({ stallMs: 50 });
    const error = await failure(impatient.read("test/demo", commit, path, 1000, signal));
    expect([error.code, hubErrorOf(error)?.retry]).toEqual(["hub_unreachable", "later"]);
    expect(error.message).toContain("has sent nothing of config.json for 0.05 s");
    const control = new AbortController();
    const left = hub.read("test/demo", commit, path, 1000, control.signal).catch((thrown: unknown) => thrown);
    const reason = new Error("enough");
    control.abort(reason);
    expect(await left).toBe(reason);
  });
});

test("the token reaches the hub, and neither the CDN, nor a line of the log, nor the disk", async () => {
  const own = connect({ token: TOKEN });
  await own.resolve("test/demo", "main", signal);
  await own.read("test/demo", commit, "openvino_tokenizer.bin", 1 << 20, signal);
  await own.search({ text: "demo", sort: "downloads" }, signal);
  const [atHub, atCdn] = ["hub", "cdn"].map((origin) => server.requests.filter((request) => request.origin === origin));
  expect(atHub?.every(({ authorization }) => authorization === `Bearer ${TOKEN}`)).toBe(true);
  expect(atCdn?.length).toBe(1);
  expect(JSON.stringify(atCdn)).not.toContain("secret");
  expect(lines.length).toBeGreaterThan(3);
  expect(lines.join()).not.toContain("secret");
  const kept = await Array.fromAsync(new Bun.Glob("**/*").scan({ cwd: folder.path }));
  expect(kept.length).toBe(1);
  for (const file of kept) expect(await Bun.file(join(folder.path, file)).text()).not.toContain("secret");
});

test("a mirror may live below a path", async () => {
  const asked: string[] = [];
  const mirror = connect({
    endpoint: `${server.url}/mirror/hf/`,
    fetch: (async (url: URL, init: RequestInit) => {
      asked.push(new URL(url).pathname);
      return fetch(String(url).replace("/mirror/hf", ""), init);
    }) as typeof fetch,
  });
  await mirror.resolve("test/demo", "main", signal);
  await mirror.read("test/demo", commit, "config.json", 1000, signal);
  expect(asked.length).toBe(3);
  expect(asked.every((path) => path.startsWith("/mirror/hf/") && !path.includes("//"))).toBe(true);
  expect(mirror.host).toBe(new URL(server.url).host);
});
