import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DEMO } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import type { TreeEntry } from "../support/hub/repository.ts";
import { demoRepository, startHub } from "../support/hub.ts";
import { type HubScene, hubScene, TOKEN } from "../support/hub-scene.ts";

const WEIGHTS = readFileSync(join(DEMO, "openvino_model.bin"));
const { signal } = new AbortController();
let it: HubScene;

beforeEach(async () => {
  it = await hubScene();
});

afterEach(() => it[Symbol.dispose]());

/** A repository whose list of files the hub lies about. */
function listing(entries: readonly Partial<Record<keyof TreeEntry, unknown>>[]): string {
  const honest = { type: "file", path: "a.txt", size: 3, oid: "0".repeat(40) };
  const tree = () => entries.map((entry) => ({ ...honest, ...entry }));
  return it.server.addRepository("test/liar", { files: { "a.txt": Buffer.from("abc") }, tree }).commit;
}

describe("files", () => {
  test("are all listed, over several pages, with the hashes that they have", async () => {
    using paged = await hubScene({ pageSize: 3 });
    const files = await paged.hub.files("test/demo", paged.commit, signal);
    expect(files.map(({ path }) => path)).toEqual(Object.keys(demoRepository().files).sort());
    const weights = files.find(({ path }) => path === "openvino_model.bin");
    expect([weights?.size, weights?.sha256]).toEqual([
      WEIGHTS.length,
      new Bun.CryptoHasher("sha256").update(WEIGHTS).digest("hex"),
    ]);
    expect(paged.server.requests.length).toBe(4);
  });

  test("on pages without an end are given up", async () => {
    let asked = 0;
    const endless = async () => {
      const next = `<${it.server.url}/api/next?${++asked}>; rel="next"`;
      return new Response("[]", { headers: { "Content-Type": "application/json", Link: next } });
    };
    const hub = it.connect({ fetch: endless as unknown as typeof fetch });
    expect(await failure(hub.files("test/demo", it.commit, signal))).toMatchObject({ code: "hub_failed" });
    expect(asked).toBe(100);
  });

  test("of a commit are asked for once, but again with another token", async () => {
    await it.hub.files("test/demo", it.commit, signal);
    await it.hub.files("test/demo", it.commit, signal);
    expect(it.server.requests.length).toBe(1);
    await it.hub.files("test/demo", it.commit, signal, TOKEN);
    expect(it.server.requests.length).toBe(2);
  });

  test.each([
    ["../evil"],
    ["a/../../evil"],
    ["/etc/passwd"],
    ["C:\\evil"],
    ["a\\..\\evil"],
    ["a//b"],
    ["./a"],
    ["a/."],
    ["CON"],
    ["sub/nul.txt"],
    ["COM1.bin"],
    ["com\u00B9.json"],
    ["con .txt"],
    ["trailing."],
    ["trailing "],
    ["a\0b"],
    ["a\nb"],
    ["a:stream"],
    ["what?"],
    [""],
    ["x".repeat(201)],
    [`${"d/".repeat(8)}x`],
    ["\u202Egnp.exe"],
    ["\uD800"],
    [5],
    [null],
  ])("with the path %p are refused", async (path) => {
    expect((await failure(it.hub.files("test/liar", listing([{ path }]), signal))).code).toBe("hub_failed");
  });

  test.each([
    [{ oid: "../".repeat(13) }],
    [{ oid: "0".repeat(39) }],
    [{ size: -1 }],
    [{ size: 1.5 }],
    [{ size: 2 ** 60 }],
    [{ size: "3" }],
    [{ lfs: { oid: `../../${"0".repeat(58)}`, size: 3 } }],
    [{ lfs: { oid: "A".repeat(64), size: 3 } }],
    [{ lfs: { oid: "0".repeat(64), size: 4 } }],
  ])("with %p are refused", async (lie) => {
    expect((await failure(it.hub.files("test/liar", listing([lie]), signal))).code).toBe("hub_failed");
  });

  test("of one name are refused, also where only case tells them apart", async () => {
    const twice = listing([{ path: "Model.bin" }, { path: "model.BIN" }]);
    expect((await failure(it.hub.files("test/liar", twice, signal))).code).toBe("hub_failed");
  });

  test("in folders, with names that URLs must escape, are listed and read", async () => {
    const content = Buffer.from("content");
    const names = ["1_Pooling/config.json", "a b#c%20d+e.txt", "ünïcode.txt"];
    const { commit: at } = it.server.addRepository("test/names", {
      files: Object.fromEntries(names.map((name) => [name, content])),
    });
    expect((await it.hub.files("test/names", at, signal)).map(({ path }) => path)).toEqual(names);
    for (const name of names)
      expect(Buffer.from(await it.hub.read("test/names", at, name, 100, signal))).toEqual(content);
  });

  test("a link to the next page on another host is not followed", async () => {
    using foreign = await startHub();
    const Link = `<${foreign.url}/api/models/test/demo/tree/main>; rel="next"`;
    it.server.fault(
      { path: "/tree/" },
      { status: 200, headers: { Link, "Content-Type": "application/json" }, body: "[]" },
    );
    expect((await failure(it.connect({ token: TOKEN }).files("test/demo", it.commit, signal))).code).toBe("hub_failed");
    expect(foreign.requests).toEqual([]);
  });
});
