import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { failure } from "../support/failure.ts";
import { type HubScene, hubScene, TOKEN } from "../support/hub-scene.ts";

const { signal } = new AbortController();
let it: HubScene;

beforeEach(async () => {
  it = await hubScene();
});

afterEach(() => it[Symbol.dispose]());

describe("resolve", () => {
  test("pins a branch to its commit and tells what the card says", async () => {
    expect(await it.hub.resolve("test/demo", "main", signal)).toEqual({
      commit: it.commit,
      tags: ["openvino", "text-generation", "llama", "license:mit"],
      license: "mit",
    });
    it.server.addRepository("test/demo", { files: { "config.json": Buffer.from("{}") } });
    expect((await it.hub.resolve("test/demo", it.commit, signal)).commit).toBe(it.commit);
    expect((await it.hub.resolve("test/demo", "main", signal)).commit).not.toBe(it.commit);
  });

  test("follows a repository to its new name", async () => {
    it.server.fault({ path: "old/name" }, { redirectTo: "/api/models/test/demo/revision/main" });
    expect((await it.hub.resolve("old/name", "main", signal)).commit).toBe(it.commit);
  });

  test("says what is missing", async () => {
    const unknown = await failure(it.hub.resolve("test/none", "main", signal));
    expect([unknown.code, unknown.message]).toEqual([
      "model_not_found",
      expect.stringContaining("test/none was not found"),
    ]);
    const revision = await failure(it.hub.resolve("test/demo", "v9", signal));
    expect([revision.code, revision.message]).toEqual(["model_not_found", expect.stringContaining('no revision "v9"')]);
  });

  test("reads a private repository with a token, and hides it without", async () => {
    const options = { files: {}, private: true, tokens: [TOKEN] };
    const { commit: hidden } = it.server.addRepository("test/private", options);
    expect((await failure(it.hub.resolve("test/private", "main", signal))).code).toBe("model_not_found");
    expect((await it.hub.resolve("test/private", "main", signal, TOKEN)).commit).toBe(hidden);
    expect((await it.connect({ token: TOKEN }).resolve("test/private", "main", signal)).commit).toBe(hidden);
  });

  test.each([["../../etc"], ["a/b/c"], ["a"], ["a/.."], ["a/b?x=1"], ["a/b#"], ["a/%2e%2e"], [""]])(
    "asks for nothing under the name %p",
    async (name) => {
      expect((await failure(it.hub.resolve(name, "main", signal))).code).toBe("invalid_request");
      expect((await failure(it.hub.files(name, it.commit, signal))).code).toBe("invalid_request");
      expect(it.server.requests).toEqual([]);
    },
  );

  test.each([["../main"], ["a/../b"], [""], ["a b"], ["-x"], ["a?b"]])("takes %p for no revision", async (revision) => {
    expect((await failure(it.hub.resolve("test/demo", revision, signal))).code).toBe("invalid_request");
  });

  test.each([["../../../evil"], ["deadbeef"], ["A".repeat(40)], [`${"a".repeat(40)}/..`]])(
    "refuses the commit %p",
    async (lie) => {
      it.server.addRepository("test/liar", { files: {}, commit: lie });
      expect((await failure(it.hub.resolve("test/liar", "main", signal))).code).toBe("hub_failed");
    },
  );
});

test("the token reaches the hub, and neither the CDN, nor a line of the log, nor the disk", async () => {
  const own = it.connect({ token: TOKEN });
  await own.resolve("test/demo", "main", signal);
  await own.read("test/demo", it.commit, "openvino_tokenizer.bin", 1 << 20, signal);
  await own.search({ text: "demo", sort: "downloads" }, signal);
  const [atHub, atCdn] = ["hub", "cdn"].map((origin) =>
    it.server.requests.filter((request) => request.origin === origin),
  );
  expect(atHub?.every(({ authorization }) => authorization === `Bearer ${TOKEN}`)).toBe(true);
  expect(atCdn?.length).toBe(1);
  expect(JSON.stringify(atCdn)).not.toContain("secret");
  expect(it.lines.length).toBeGreaterThan(3);
  expect(it.lines.join()).not.toContain("secret");
  const kept = await Array.fromAsync(new Bun.Glob("**/*").scan({ cwd: it.folder }));
  expect(kept.length).toBe(1);
  for (const file of kept) expect(await Bun.file(join(it.folder, file)).text()).not.toContain("secret");
});

test("a mirror may live below a path", async () => {
  const asked: string[] = [];
  const mirror = it.connect({
    endpoint: `${it.server.url}/mirror/hf/`,
    fetch: (async (url: URL, init: RequestInit) => {
      asked.push(new URL(url).pathname);
      return fetch(String(url).replace("/mirror/hf", ""), init);
    }) as typeof fetch,
  });
  await mirror.resolve("test/demo", "main", signal);
  await mirror.read("test/demo", it.commit, "config.json", 1000, signal);
  expect(asked.length).toBe(3);
  expect(asked.every((path) => path.startsWith("/mirror/hf/") && !path.includes("//"))).toBe(true);
  expect(mirror.host).toBe(new URL(it.server.url).host);
});
