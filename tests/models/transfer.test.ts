import { describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, linkSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createHub } from "../../src/models/hub/hub.ts";
import { type TransferOptions, transfer } from "../../src/models/pull/transfer.ts";
import { until } from "../support/daemon.ts";
import { temporaryFolder } from "../support/demo.ts";
import type { Fault, FaultMatch } from "../support/hub/fault.ts";
import { startHub } from "../support/hub.ts";

const SIZE = 3_000_000;
/** LFS by its name, so it comes from the CDN; the other one by git's blob id, from the hub itself. */
const LARGE = "openvino_model.bin";
const SMALL = "config.json";

/** A hub with one repository, and a transfer from it whose pauses take no time. */
async function scene() {
  const folder = temporaryFolder();
  const hub = await startHub();
  const files = {
    [LARGE]: new Uint8Array(randomBytes(SIZE)),
    [SMALL]: new Uint8Array(randomBytes(2000)),
    "empty.json": new Uint8Array(),
  };
  const { commit } = hub.addRepository("test/x", { files });
  const client = createHub({
    endpoint: hub.url,
    cacheDirectory: join(folder.path, "cache"),
    observer: { log: () => undefined },
  });
  const list = await client.files("test/x", commit, new AbortController().signal);
  const part = join(folder.path, "x.part");
  const retries: string[] = [];
  const run = async (path: string, more: Partial<TransferOptions> = {}): Promise<string> => {
    const file = list.find((one) => one.path === path);
    if (!file) throw new Error(`no ${path}`);
    return await transfer({
      hub: client,
      repository: "test/x",
      commit,
      file,
      part,
      patience: { stallMs: 30_000, backoffMs: 1 },
      signal: new AbortController().signal,
      onProgress: () => undefined,
      onRetry: (reason) => retries.push(reason),
      ...more,
    });
  };
  const asked = (path: string) => hub.requests.filter((request) => request.path.includes(path) && request.bytes > 0);
  return {
    hub,
    files,
    part,
    retries,
    run,
    asked,
    folder: folder.path,
    bytes: (path: string) => asked(path).reduce((sum, { bytes }) => sum + bytes, 0),
    [Symbol.dispose]: () => {
      hub.stop();
      folder[Symbol.dispose]();
    },
  };
}

const sha256 = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");

describe("transfer", () => {
  for (const path of [LARGE, SMALL, "empty.json"] as const)
    test(`${path} arrives whole, with the SHA-256 of its content`, async () => {
      using it = await scene();
      const content = it.files[path];
      expect(await it.run(path)).toBe(sha256(content));
      expect(readFileSync(it.part)).toEqual(Buffer.from(content));
      expect(it.bytes(path)).toBe(content.length);
      expect(it.retries).toEqual([]);
    });

  const survived: [what: string, match: FaultMatch, fault: Fault][] = [
    ["a connection that breaks off", { path: LARGE, times: 1 }, { cutAt: 1_000_000 }],
    ["three that break off", { path: LARGE, times: 3 }, { cutAt: 600_000 }],
    ["more breaks than attempts, with something gained each time", { path: LARGE, times: 9 }, { cutAt: 200_000 }],
    ["wrong bytes once", { path: LARGE, times: 1 }, { wrongBytes: true }],
    ["a wrong length once", { path: LARGE, times: 1 }, { wrongLength: true }],
    ["an expired link of the CDN", { path: LARGE, times: 1, at: "cdn" }, { status: 403 }],
    ["a rate limit that names its end", { path: LARGE, times: 1 }, { status: 429, headers: { "Retry-After": "0" } }],
    ["a hub that fails", { path: LARGE, times: 2 }, { status: 503 }],
    ["wrong bytes of a file without LFS", { path: SMALL, times: 1 }, { wrongBytes: true }],
  ];
  for (const [what, match, fault] of survived)
    test(`${what}: survived`, async () => {
      using it = await scene();
      it.hub.fault(match, fault);
      const path = match.path as typeof LARGE | typeof SMALL;
      expect(await it.run(path)).toBe(sha256(it.files[path] as Uint8Array));
      expect(sha256(readFileSync(it.part))).toBe(sha256(it.files[path] as Uint8Array));
      expect(it.retries.length).toBeGreaterThan(0);
    });

  test("what broke off is resumed at its byte, not fetched again", async () => {
    using it = await scene();
    it.hub.fault({ path: LARGE, times: 1 }, { cutAt: 1_000_000 });
    await it.run(LARGE);
    const [first, rest] = it.asked(LARGE);
    // What was under way when the connection broke may be lost; all that was written is kept.
    const from = Number(/^bytes=(\d+)-$/.exec(rest?.range ?? "")?.[1]);
    expect(from).toBeWithin(1, 1_000_001);
    expect(rest?.headers["if-range"]).toBeDefined();
    expect([first?.bytes, rest?.bytes]).toEqual([1_000_000, SIZE - from]);
  });

  test("a server without ranges, or another ETag: from the beginning, and right", async () => {
    for (const fault of [{ noRange: true }, { changedEtag: true }] as const) {
      using it = await scene();
      it.hub.fault({ path: LARGE, times: 1 }, { cutAt: 1_000_000 });
      it.hub.fault({ path: LARGE, at: "cdn" }, fault);
      expect(await it.run(LARGE)).toBe(sha256(it.files[LARGE]));
      expect(it.bytes(LARGE)).toBe(SIZE + 1_000_000);
    }
  });

  test("silence ends by the stall timer, and the rest is asked for", async () => {
    using it = await scene();
    it.hub.fault({ path: LARGE, times: 1 }, { stall: true });
    expect(await it.run(LARGE, { patience: { stallMs: 200, backoffMs: 1 } })).toBe(sha256(it.files[LARGE]));
    expect(it.retries.join()).toContain("has sent nothing of openvino_model.bin for 0.2 s");
    expect(it.bytes(LARGE)).toBe(SIZE);
  });

  test("a file that goes on slowly is left alone: every byte starts the stall timer anew", async () => {
    using it = await scene();
    it.hub.fault({ path: SMALL, times: 1 }, { slow: 4000 });
    expect(await it.run(SMALL, { patience: { stallMs: 300, backoffMs: 1 } })).toBe(sha256(it.files[SMALL]));
    expect(it.retries).toEqual([]);
  });

  const refused: [what: string, match: FaultMatch, fault: Fault, code: string][] = [
    ["wrong bytes twice", { path: LARGE }, { wrongBytes: true }, "download_corrupt"],
    ["wrong bytes twice, without LFS", { path: SMALL }, { wrongBytes: true }, "download_corrupt"],
    ["a wrong length twice", { path: LARGE }, { wrongLength: true }, "download_corrupt"],
    ["another content than listed", { path: LARGE, at: "hub" }, { changedEtag: true }, "download_corrupt"],
    ["a hub that fails for good", { path: LARGE }, { status: 500 }, "hub_failed"],
    ["a hub that wants an hour", { path: LARGE }, { status: 429, headers: { "Retry-After": "3600" } }, "hub_failed"],
    ["a redirect loop", { path: LARGE }, { redirectLoop: true }, "hub_failed"],
    ["a redirect into the machine's network", { path: LARGE }, { redirectTo: "http://10.0.0.1/x" }, "hub_failed"],
    ["a connection that brings nothing", { path: LARGE }, { cutAt: 0 }, "hub_unreachable"],
  ];
  for (const [what, match, fault, code] of refused)
    test(`${what}: ${code}`, async () => {
      using it = await scene();
      it.hub.fault(match, fault);
      const error = await it.run(match.path as string).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code, message: expect.any(String) });
      expect(String(error)).not.toContain(it.folder);
      // Wrong bytes are fetched twice, and no more often.
      if (code === "download_corrupt") expect(it.asked(match.path as string).length).toBeLessThanOrEqual(2);
    });

  test("what is there of a file is hashed, not believed: right bytes are kept, wrong ones fetched again", async () => {
    using it = await scene();
    const content = it.files[LARGE];
    writeFileSync(it.part, content.subarray(0, 2_000_000));
    expect(await it.run(LARGE)).toBe(sha256(content));
    expect(it.bytes(LARGE)).toBe(SIZE - 2_000_000);

    expect(await it.run(LARGE)).toBe(sha256(content));
    expect(it.bytes(LARGE)).toBe(SIZE - 2_000_000);

    writeFileSync(it.part, new Uint8Array(2_000_000));
    expect(await it.run(LARGE)).toBe(sha256(content));
    writeFileSync(it.part, new Uint8Array(SIZE + 5));
    expect(await it.run(LARGE)).toBe(sha256(content));
  });

  test("a part that is a link to a file of another model: that file stays as it is", async () => {
    using it = await scene();
    const other = join(it.folder, "other.bin");
    for (const size of [SIZE - 1, SIZE, SIZE + 1]) {
      writeFileSync(other, new Uint8Array(size));
      Bun.spawnSync(["rm", "-f", it.part]);
      linkSync(other, it.part);
      expect(await it.run(LARGE)).toBe(sha256(it.files[LARGE]));
      expect(readFileSync(other).every((byte) => byte === 0)).toBe(true);
      expect(statSync(other).size).toBe(size);
    }
  });

  test("an abort ends it at once, with nothing left open at the hub, and what came is kept", async () => {
    using it = await scene();
    it.hub.fault({ path: LARGE, times: 1 }, { stall: true });
    const leaving = new AbortController();
    let seen = 0;
    const running = it.run(LARGE, { signal: leaving.signal, onProgress: (bytes) => (seen = bytes) });
    await until(() => seen >= SIZE / 2);
    leaving.abort();
    expect(running).rejects.toMatchObject({ name: "AbortError" });
    await running.catch(() => undefined);
    expect(statSync(it.part).size).toBe(seen);
    expect(await it.run(LARGE)).toBe(sha256(it.files[LARGE]));
    expect(it.bytes(LARGE)).toBe(SIZE);
  });

  test.skipIf(process.platform !== "linux")("a disk that runs full is named, and not asked again", async () => {
    using it = await scene();
    symlinkSync("/dev/full", it.part);
    expect(it.run(LARGE)).rejects.toMatchObject({ code: "storage_full" });
    await it.run(LARGE).catch(() => undefined);
    expect(it.retries).toEqual([]);
    expect(existsSync("/dev/full")).toBe(true);
  });
});
