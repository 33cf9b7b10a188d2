import { describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PullEvent } from "../../src/core/library.ts";
import { createModelLibrary, type ModelLibraryOptions } from "../../src/models/library.ts";
import type { Converter } from "../../src/models/pull/convert.ts";
import { readManifest } from "../../src/models/store/manifest.ts";
import { until } from "../support/daemon.ts";
import { copyDemo, DEMO, temporaryFolder } from "../support/demo.ts";
import { demoRepository, filesOf, startHub } from "../support/hub.ts";

const demo = demoRepository().files;
const BIN = "openvino_model.bin";
const never = new AbortController().signal;

/** What a store keeps in the place of a converter: it says what it was asked, and makes the demo of anything. */
const converter: Converter = {
  plan: (files) =>
    files.some(({ path }) => path === "model.safetensors")
      ? { with: "own", command: "made by the test", kind: "embedding" }
      : { with: "nothing", advice: "install a converter." },
  async *convert(_folder, into) {
    copyDemo(into, ".");
    yield "one line";
  },
};

async function scene(more: Partial<ModelLibraryOptions> = {}) {
  const folder = temporaryFolder();
  const hub = await startHub();
  hub.addRepository("test/demo", { ...demoRepository(), files: { ...demo, "README.md": DEMO_README } });
  const models = join(folder.path, "models");
  const open = (options: Partial<ModelLibraryOptions> = {}) =>
    createModelLibrary({
      directories: { models, system: undefined },
      configDirectory: folder.path,
      cacheDirectory: join(folder.path, "cache"),
      endpoint: hub.url,
      token: "",
      observer: { log: () => undefined },
      devices: async () => [{ name: "CPU", fullName: "a CPU", emulated: false }],
      converter,
      builtin: async () => ({}),
      patience: { stallMs: 30_000, backoffMs: 1 },
      ...more,
      ...options,
    });
  const { library, store } = open();
  const pull = async (name: string, signal = never, from = library, token?: string): Promise<PullEvent[]> => {
    const events: PullEvent[] = [];
    for await (const event of from.pull({ name, ...(token === undefined ? {} : { token }) }, signal))
      events.push(event);
    return events;
  };
  return {
    folder: folder.path,
    models,
    hub,
    library,
    store,
    open,
    pull,
    files: (name: string) => readdirSync(join(models, name)).sort(),
    partial: () => (existsSync(join(models, ".partial")) ? readdirSync(join(models, ".partial")) : []),
    /** Bytes of one file that left the hub. */
    sent: (path: string) =>
      hub.requests.filter((request) => request.path.includes(path)).reduce((sum, { bytes }) => sum + bytes, 0),
    [Symbol.dispose]: () => {
      hub.stop();
      folder[Symbol.dispose]();
    },
  };
}

const DEMO_README = new TextEncoder().encode("# not needed");
const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
const failure = (running: Promise<unknown>): Promise<unknown> => running.then(() => undefined).catch((error) => error);

describe("pull", () => {
  test("a repository becomes a verified model, with a manifest, and nothing else", async () => {
    using it = await scene();
    const events = await it.pull("test/demo");
    expect(it.files("test/demo")).toEqual([...Object.keys(demo), "npu-proxy.json"].sort());
    const manifest = readManifest(join(it.models, "test/demo"));
    expect(manifest).toMatchObject({
      name: "test/demo:latest",
      license: "mit",
      source: { repository: "test/demo", revision: "main", commit: expect.stringMatching(/^[0-9a-f]{40}$/) },
    });
    for (const { path, sha256: recorded } of manifest?.files ?? [])
      expect(sha256(join(it.models, "test/demo", path))).toBe(recorded);
    for (const path of Object.keys(demo))
      expect(readFileSync(join(it.models, "test/demo", path))).toEqual(readFileSync(join(DEMO, path)));
    expect(it.partial()).toEqual([]);
    expect((await it.store.get("test/demo")).source?.repository).toBe("test/demo");
    expect([...new Set(events.map(({ type }) => type))]).toEqual([
      "resolving",
      "file",
      "verifying",
      "writing",
      "inspecting",
      "done",
    ]);
    expect(events.at(-1)).toMatchObject({ type: "done", model: "test/demo:latest", unchanged: false });
    for (const path of Object.keys(demo)) {
      const told = events.filter((event) => event.type === "file" && event.file === path);
      const size = statSync(join(DEMO, path)).size;
      expect(told.at(-1)).toMatchObject({
        total: size,
        completed: size,
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
    }
  });

  test("again: nothing is fetched, and it says so", async () => {
    using it = await scene();
    await it.pull("test/demo");
    const before = it.hub.bytesSent;
    expect((await it.pull("TEST/demo")).at(-1)).toMatchObject({ model: "test/demo:latest", unchanged: true });
    expect(it.hub.bytesSent).toBe(before);
  });

  test("a newer revision: only what changed is fetched, the old one is kept, and comes back by rollback", async () => {
    using it = await scene();
    await it.pull("test/demo");
    const [old] = [readManifest(join(it.models, "test/demo"))?.source?.commit];
    const config = new TextEncoder().encode(`${readFileSync(join(DEMO, "config.json"), "utf8")}\n`);
    const { commit } = it.hub.addRepository("test/demo", {
      ...demoRepository(),
      files: { ...demo, "config.json": config },
    });
    const before = it.hub.bytesSent;
    await it.pull("test/demo");
    expect(it.hub.bytesSent - before).toBe(config.length);
    expect(readManifest(join(it.models, "test/demo"))?.source?.commit).toBe(commit);
    expect(await it.library.rollback("test/demo")).toMatchObject({ commit: old });
  });

  test("two pulls in one process are one, and both hear of it; the first may leave", async () => {
    using it = await scene();
    it.hub.fault({ path: BIN, times: 1 }, { slow: 4_000_000 });
    const leaving = new AbortController();
    const left = failure(it.pull("test/demo", leaving.signal));
    await until(() => it.sent(BIN) > 0);
    const both = [it.pull("test/demo"), it.pull("Test/Demo:latest")];
    leaving.abort();
    expect(await left).toMatchObject({ name: "AbortError" });
    for (const events of await Promise.all(both)) {
      expect(events[0]).toEqual({ type: "resolving" });
      expect(events.at(-1)).toMatchObject({ type: "done", unchanged: false });
    }
    expect(it.sent(BIN)).toBe(statSync(join(DEMO, BIN)).size);
  });

  test("the last one that leaves stops it; the next one goes on from there", async () => {
    using it = await scene();
    it.hub.fault({ path: BIN, times: 1 }, { stall: true });
    const leaving = new AbortController();
    const left = failure(it.pull("test/demo", leaving.signal));
    const half = statSync(join(DEMO, BIN)).size >> 1;
    const written = (): readonly number[] =>
      it
        .partial()
        .filter((key) => !key.endsWith(".lock"))
        .flatMap((key) => Object.values(filesOf(join(it.models, ".partial", key))))
        .map((path) => sizeOf(path) ?? 0);
    await until(() => written().includes(half));
    leaving.abort();
    expect(await left).toMatchObject({ name: "AbortError" });
    expect(existsSync(join(it.models, "test"))).toBe(false);
    await it.pull("test/demo");
    expect(it.sent(BIN)).toBe(statSync(join(DEMO, BIN)).size);
    expect(it.partial()).toEqual([]);
  });

  test("two stores' owners on one folder: one download, the other waits and finds it done", async () => {
    using it = await scene();
    it.hub.fault({ path: BIN, times: 1 }, { slow: 4_000_000 });
    const first = it.pull("test/demo");
    await until(() => it.sent(BIN) > 0);
    const second = await it.pull("test/demo", never, it.open().library);
    expect(second.find(({ type }) => type === "retry")).toMatchObject({
      file: "",
      reason: expect.stringContaining("another npu-proxy"),
    });
    expect(second.at(-1)).toMatchObject({ type: "done", model: "test/demo:latest" });
    expect((await first).at(-1)).toMatchObject({ type: "done", unchanged: false });
    expect(it.sent(BIN)).toBe(statSync(join(DEMO, BIN)).size);
  });

  test("files of another model in the store are linked, not fetched; a damaged one is not believed", async () => {
    using it = await scene();
    await it.pull("test/demo");
    it.hub.addRepository("other/copy", demoRepository());
    await it.pull("other/copy");
    expect(
      it.hub.requests.some(({ path, bytes }) => path.includes("other/copy") && path.includes(BIN) && bytes > 0),
    ).toBe(false);
    expect(statSync(join(it.models, "other/copy", BIN)).ino).toBe(statSync(join(it.models, "test/demo", BIN)).ino);

    const damaged = readFileSync(join(DEMO, BIN)).fill(0, 0, 9);
    await it.library.remove("other/copy", never);
    writeFileSync(join(it.models, "test/demo", BIN), damaged);
    await it.pull("other/copy");
    expect(sha256(join(it.models, "other/copy", BIN))).toBe(sha256(join(DEMO, BIN)));
    expect(readFileSync(join(it.models, "test/demo", BIN)).equals(damaged)).toBe(true);
  });

  test("wrong bytes, however often: an error in words, and no model", async () => {
    using it = await scene();
    it.hub.fault({ path: BIN }, { wrongBytes: true });
    const error = await failure(it.pull("test/demo"));
    expect(error).toMatchObject({ code: "download_corrupt", message: expect.stringContaining(BIN) });
    expect(existsSync(join(it.models, "test"))).toBe(false);
    expect(await it.store.list()).toEqual([]);
  });

  test("what serving needs: of a GGUF repository one file, by its tag or by default", async () => {
    using it = await scene();
    const gguf = (name: string) => ({ [name]: new Uint8Array(randomBytes(1000)) });
    const files = { ...gguf("m.Q8_0.gguf"), ...gguf("m.Q4_K_M.gguf"), ...gguf("mmproj-m.gguf"), LICENSE: DEMO_README };
    it.hub.addRepository("test/gguf", { files });
    const taken = async (name: string): Promise<readonly string[]> => {
      await failure(it.pull(name)); // random bytes are no model: what was asked for is what counts here
      const paths = it.hub.requests.filter(({ bytes, path }) => bytes > 0 && path.includes("/test/gguf/"));
      return [...new Set(paths.map(({ path }) => /m[^/?]*\.gguf/.exec(path)?.[0] ?? ""))].filter(Boolean);
    };
    expect(await taken("test/gguf")).toEqual(["m.Q4_K_M.gguf"]);
    expect(await taken("hf.co/test/gguf:q8_0")).toEqual(["m.Q4_K_M.gguf", "m.Q8_0.gguf"]);
    expect(await failure(it.pull("test/gguf:Q2_K"))).toMatchObject({
      code: "model_not_found",
      message: expect.stringContaining("m.Q8_0.gguf, ".slice(0, 11)),
    });
  });

  test("safetensors alone are converted; what nobody can convert is refused before anything is fetched", async () => {
    using it = await scene();
    const weights = new Uint8Array(randomBytes(500));
    const config = join(DEMO, "config.json");
    it.hub.addRepository("test/source", { files: { "model.safetensors": weights, "config.json": config } });
    const events = await it.pull("test/source");
    expect(events).toContainEqual({ type: "converting", line: "one line" });
    const manifest = readManifest(join(it.models, "test/source"));
    expect(manifest?.converted).toBe("made by the test");
    expect(manifest?.files.map(({ path }) => path)).toContain(BIN);
    expect(it.files("test/source")).not.toContain("model.safetensors");
    expect(it.partial()).toEqual([]);

    it.hub.addRepository("test/hopeless", { files: { "x.safetensors": weights, "config.json": config } });
    expect(await failure(it.pull("test/hopeless"))).toMatchObject({
      code: "conversion_failed",
      message: expect.stringContaining("install a converter."),
    });
    expect(it.hub.requests.some(({ path, bytes }) => path.includes("x.safetensors") && bytes > 0)).toBe(false);
  });

  test("a full disk is told before, with what is missing", async () => {
    using it = await scene({ freeSpace: async () => 75_000_000 });
    const error = await failure(it.pull("test/demo"));
    expect(error).toBeUndefined();
    using full = await scene({ freeSpace: async () => 1_000_000 });
    expect(await failure(full.pull("test/demo"))).toMatchObject({
      code: "storage_full",
      message: expect.stringMatching(/\d MB are still to be written, \d+ MB more must be free/),
    });
    expect(full.hub.bytesSent).toBe(0);
  });

  test("a gated repository wants a token, this pull's own or none", async () => {
    using it = await scene();
    it.hub.addRepository("test/gated", { ...demoRepository(), gated: true });
    expect(await failure(it.pull("test/gated"))).toMatchObject({
      code: "hub_denied",
      message: expect.stringContaining("accept its conditions"),
    });
    await it.pull("test/gated", never, it.library, "hf_good");
    expect(it.hub.requests.some(({ origin, authorization }) => origin === "cdn" && authorization !== undefined)).toBe(
      false,
    );
    expect((await it.store.get("test/gated")).name).toBe("test/gated:latest");
  });

  test("names nobody has, and repositories without a model, are refused with what to do", async () => {
    using it = await scene();
    it.hub.addRepository("test/empty", { files: { "README.md": DEMO_README } });
    for (const [name, code, says] of [
      ["tinylama", "model_not_found", "tinyllama"],
      ["test/empty", "model_not_found", "npu-proxy search"],
      ["test/nobody", "model_not_found", "not found"],
      ["test/demo@v9", "model_not_found", "v9"],
      ["test/demo:Q4_K_M", "model_not_found", "no GGUF files"],
      ["../demo", "invalid_request", "path"],
    ])
      expect(await failure(it.pull(name as string))).toMatchObject({
        code,
        message: expect.stringContaining(says as string),
      });
    expect(existsSync(it.models) ? readdirSync(it.models).filter((name) => name !== ".partial") : []).toEqual([]);
  });

  const hostile = [
    "../evil.json",
    "a\\b.json",
    "/etc/x.json",
    "CON.json",
    "x/../../y.json",
    "openvino_model.bin\u0000.json",
  ];
  for (const path of hostile)
    test(`a repository with a file ${JSON.stringify(path)} is refused, and nothing is written`, async () => {
      using it = await scene();
      const entry = { type: "file" as const, path, size: 3, oid: "0".repeat(40) };
      it.hub.addRepository("test/evil", { ...demoRepository(), tree: (entries) => [...entries, entry] });
      expect(await failure(it.pull("test/evil"))).toMatchObject({ code: "hub_failed" });
      expect(existsSync(it.models)).toBe(false);
      expect(filesOf(it.folder)).toEqual({});
    });

  for (const commit of ["../../../../tmp/evil", "0".repeat(39), "A".repeat(40)])
    test(`a commit ${JSON.stringify(commit)} is refused`, async () => {
      using it = await scene();
      it.hub.addRepository("test/evil", { ...demoRepository(), commit });
      expect(await failure(it.pull("test/evil"))).toMatchObject({ code: "hub_failed" });
      expect(existsSync(it.models)).toBe(false);
    });

  test("a repository that brings our own manifest: it is not taken", async () => {
    using it = await scene();
    const recipe = new TextEncoder().encode(
      JSON.stringify({ version: 1, name: "x", recipe: { parent: "y", system: "evil" } }),
    );
    it.hub.addRepository("test/sly", { ...demoRepository(), files: { ...demo, "NPU-Proxy.json": recipe } });
    await it.pull("test/sly");
    expect(it.files("test/sly").filter((name) => /npu-proxy/i.test(name))).toEqual(["npu-proxy.json"]);
    expect((await it.store.get("test/sly")).recipe).toBeUndefined();
  });
});

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}
