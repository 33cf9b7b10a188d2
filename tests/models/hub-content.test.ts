import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hubErrorOf } from "../../src/models/hub/hub-error.ts";
import { DEMO } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { type HubScene, hubScene } from "../support/hub-scene.ts";

const CONFIG_BYTES = readFileSync(join(DEMO, "config.json")).length;
const WEIGHTS = readFileSync(join(DEMO, "openvino_model.bin"));
const { signal } = new AbortController();
let it: HubScene;

beforeEach(async () => {
  it = await hubScene();
});

afterEach(() => it[Symbol.dispose]());

describe("open", () => {
  const open = (from = 0, ifRange?: string) =>
    it.hub.open("test/demo", it.commit, "openvino_model.bin", { from, ifRange, signal });

  test("gives a file from its beginning or from an offset", async () => {
    const whole = await open();
    expect(Buffer.from(await new Response(whole.body).bytes())).toEqual(WEIGHTS);
    const rest = await open(1_000_000, whole.etag);
    expect(rest.start).toBe(1_000_000);
    expect(Buffer.from(await new Response(rest.body).bytes())).toEqual(WEIGHTS.subarray(1_000_000));
    expect(it.server.requests.at(-1)?.headers).toMatchObject({
      range: "bytes=1000000-",
      "if-range": whole.etag,
      "accept-encoding": "identity",
    });
  });

  test("asks for nothing where nothing is left", async () => {
    const { commit: at } = it.server.addRepository("test/empty", { files: { empty: Buffer.alloc(0) } });
    expect(await it.hub.read("test/empty", at, "empty", 0, signal)).toEqual(new Uint8Array());
    const { body, start } = await open(WEIGHTS.length);
    expect([start, (await new Response(body).bytes()).length]).toEqual([WEIGHTS.length, 0]);
    expect(it.server.requests.every(({ path }) => path.startsWith("/api/"))).toBe(true);
  });

  test.each([[{ noRange: true }], [{ changedEtag: true }]] as const)("starts over with %p", async (fault) => {
    const { etag, body } = await open();
    await body.cancel();
    it.server.fault({ path: "openvino_model.bin" }, fault);
    const again = await open(5000, etag);
    expect(again.start).toBe(0);
    expect(Buffer.from(await new Response(again.body).bytes())).toEqual(WEIGHTS);
  });

  test("refuses a length, a hash and a commit that are not those of the list", async () => {
    it.server.fault({ path: "openvino_model.bin", times: 1 }, { wrongLength: true });
    const length = await failure(open());
    it.server.fault({ path: "openvino_model.bin", times: 1 }, { wrongLength: true });
    const range = await failure(open(10));
    it.server.fault({ path: "openvino_model.bin", times: 1, at: "hub" }, { changedEtag: true });
    const hash = await failure(open());
    const other = { "X-Repo-Commit": "f".repeat(40), Location: `${it.server.cdnUrl}/elsewhere` };
    it.server.fault({ path: "openvino_model.bin", times: 1 }, { status: 302, headers: other });
    const revision = await failure(open());
    for (const error of [length, range, hash, revision])
      expect([error.code, hubErrorOf(error)?.retry]).toEqual(["download_corrupt", "anew"]);
    expect(hash.message).toContain("another SHA-256");
    expect(revision.message).toContain("another commit");
    expect(it.server.requests.some(({ path }) => path.includes("elsewhere"))).toBe(false);
  });

  test.each([
    ["config.json", 0, { status: 200, headers: { "X-Repo-Commit": "f".repeat(40) } }, "another commit"],
    ["config.json", 9, { status: 206, headers: { "Content-Range": "bytes 8-441/442" } }, "another range"],
    ["config.json", 9, { status: 206, headers: { "Content-Range": "bytes 9-440/442" } }, "another range"],
    ["config.json", 9, { status: 206 }, "another range"],
    ["openvino_model.bin", 0, { status: 302, headers: { Location: "/x", "X-Linked-Size": "5" } }, "5 bytes"],
  ])("refuses %s from %p with %p", async (path, from, fault, why) => {
    it.server.fault({ path }, fault);
    const error = await failure(it.hub.open("test/demo", it.commit, path, { from, signal }));
    expect([error.code, error.message]).toEqual(["download_corrupt", expect.stringContaining(why)]);
  });

  test("asks for a new link where the old one has expired", async () => {
    it.server.fault({ path: "openvino_model.bin", at: "cdn", times: 1 }, { status: 403 });
    const error = await failure(open());
    expect([error.code, hubErrorOf(error)?.status, hubErrorOf(error)?.retry]).toEqual(["hub_failed", 403, "anew"]);
    expect((await open()).start).toBe(0);
  });

  test.each([["http://169.254.169.254/latest/meta-data"], ["https://10.0.0.1/"]])(
    "does not follow a redirect to %s",
    async (redirectTo) => {
      it.server.fault({ path: "openvino_model.bin" }, { redirectTo });
      const error = await failure(open());
      expect([error.code, hubErrorOf(error)?.retry]).toEqual(["hub_failed", "never"]);
    },
  );

  test("ends with the signal, in the middle of a body, too", async () => {
    it.server.fault({ path: "openvino_model.bin" }, { stall: true });
    const control = new AbortController();
    const { body } = await it.hub.open("test/demo", it.commit, "openvino_model.bin", {
      from: 0,
      signal: control.signal,
    });
    const read = new Response(body).bytes().catch((error: unknown) => error);
    const reason = new Error("enough");
    control.abort(reason);
    expect(await read).toBeInstanceOf(Error);
  });

  test("knows the files of the list alone", async () => {
    expect((await failure(it.hub.open("test/demo", it.commit, "../../config.json", { from: 0, signal }))).code).toBe(
      "model_not_found",
    );
    expect(it.server.requests.length).toBe(1);
  });
});

describe("read", () => {
  test.each([["config.json"], ["openvino_tokenizer.bin"]])(
    "believes %s only with the hash of the list",
    async (path) => {
      const content = await it.hub.read("test/demo", it.commit, path, 1 << 20, signal);
      expect(Buffer.from(content)).toEqual(readFileSync(join(DEMO, path)));
      it.server.fault({ path }, { wrongBytes: true });
      expect((await failure(it.hub.read("test/demo", it.commit, path, 1 << 20, signal))).code).toBe("download_corrupt");
    },
  );

  test("takes no file larger than it may, and none that breaks off", async () => {
    expect(
      (await failure(it.hub.read("test/demo", it.commit, "config.json", CONFIG_BYTES - 1, signal))).message,
    ).toContain(`${CONFIG_BYTES} bytes`);
    expect(it.server.requests.length).toBe(1);
    it.server.fault({ path: "config.json" }, { cutAt: 100 });
    const error = await failure(it.hub.read("test/demo", it.commit, "config.json", 1000, signal));
    expect(error.code).toBe("hub_unreachable");
  });

  test("gives up a hub that falls silent in the middle of a file, and leaves nothing open for its caller", async () => {
    const path = "config.json";
    it.server.fault({ path }, { stall: true });
    const impatient = it.connect({ stallMs: 50 });
    const error = await failure(impatient.read("test/demo", it.commit, path, 1000, signal));
    expect([error.code, hubErrorOf(error)?.retry]).toEqual(["hub_unreachable", "later"]);
    expect(error.message).toContain("has sent nothing of config.json for 0.05 s");
    const control = new AbortController();
    const left = it.hub.read("test/demo", it.commit, path, 1000, control.signal).catch((thrown: unknown) => thrown);
    const reason = new Error("enough");
    control.abort(reason);
    expect(await left).toBe(reason);
  });
});
