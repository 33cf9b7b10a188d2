import { expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Converter } from "../../src/models/pull/convert.ts";
import { readManifest } from "../../src/models/store/manifest.ts";
import { copyDemo, DEMO } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { demoRepository } from "../support/hub.ts";
import { pullScene, textFile } from "../support/pull-scene.ts";

const demo = demoRepository().files;
const BIN = "openvino_model.bin";

/** In the place of a converter: it makes the demo of anything. */
const CONVERTER: Converter = {
  plan: (files) =>
    files.some(({ path }) => path === "model.safetensors")
      ? { with: "own", command: "made by the test", kind: "embedding" }
      : { with: "nothing", advice: "install a converter." },
  async *convert(_folder, into) {
    copyDemo(into, ".");
    yield "one line";
  },
};

const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

test("a repository becomes a verified model, with a manifest, and nothing else", async () => {
  using it = await pullScene();
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
  using it = await pullScene();
  await it.pull("test/demo");
  const before = it.hub.bytesSent;
  expect((await it.pull("TEST/demo")).at(-1)).toMatchObject({ model: "test/demo:latest", unchanged: true });
  expect(it.hub.bytesSent).toBe(before);
});

test("a newer revision: only what changed is fetched, the old one is kept, and comes back by rollback", async () => {
  using it = await pullScene();
  await it.pull("test/demo");
  const old = readManifest(join(it.models, "test/demo"))?.source?.commit;
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

test("wrong bytes, however often: an error in words, and no model", async () => {
  using it = await pullScene();
  it.hub.fault({ path: BIN }, { wrongBytes: true });
  const error = await failure(it.pull("test/demo"));
  expect(error).toMatchObject({ code: "download_corrupt", message: expect.stringContaining(BIN) });
  expect(existsSync(join(it.models, "test"))).toBe(false);
  expect((await it.store.list()).map(({ name }) => name)).toEqual(["demo:latest"]);
});

test("what serving needs: of a GGUF repository one file, by its tag or by default", async () => {
  using it = await pullScene();
  const gguf = (name: string) => ({ [name]: new Uint8Array(randomBytes(1000)) });
  const files = { ...gguf("m.Q8_0.gguf"), ...gguf("m.Q4_K_M.gguf"), ...gguf("mmproj-m.gguf"), LICENSE: textFile("") };
  it.hub.addRepository("test/gguf", { files });
  const taken = async (name: string): Promise<readonly string[]> => {
    await it.outcome(name); // random bytes are no model: what was asked for is what counts here
    const paths = it.hub.requests.filter(({ bytes, path }) => bytes > 0 && path.includes("/test/gguf/"));
    return [...new Set(paths.map(({ path }) => /m[^/?]*\.gguf/.exec(path)?.[0] ?? ""))].filter(Boolean);
  };
  expect(await taken("test/gguf")).toEqual(["m.Q4_K_M.gguf"]);
  expect(await taken("hf.co/test/gguf:q8_0")).toEqual(["m.Q4_K_M.gguf", "m.Q8_0.gguf"]);
  expect(await failure(it.pull("test/gguf:Q2_K"))).toMatchObject({
    code: "model_not_found",
    message: expect.stringContaining("m.Q8_0.gguf"),
  });
});

test("safetensors alone are converted; what nobody can convert is refused before anything is fetched", async () => {
  using it = await pullScene({ converter: CONVERTER });
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
  using it = await pullScene({ freeSpace: async () => 75_000_000 });
  await it.pull("test/demo");
  using full = await pullScene({ freeSpace: async () => 1_000_000 });
  expect(await failure(full.pull("test/demo"))).toMatchObject({
    code: "storage_full",
    message: expect.stringMatching(/\d MB are still to be written, \d+ MB more must be free/),
  });
  expect(full.hub.bytesSent).toBe(0);
});

test("a gated repository wants a token, this pull's own or none", async () => {
  using it = await pullScene();
  it.hub.addRepository("test/gated", { ...demoRepository(), gated: true });
  expect(await failure(it.pull("test/gated"))).toMatchObject({
    code: "hub_denied",
    message: expect.stringContaining("accept its conditions"),
  });
  await it.pull("test/gated", { token: "hf_good" });
  expect(it.hub.requests.some(({ origin, authorization }) => origin === "cdn" && authorization !== undefined)).toBe(
    false,
  );
  expect((await it.store.get("test/gated")).name).toBe("test/gated:latest");
});

test("names nobody has, and repositories without a model, are refused with what to do", async () => {
  using it = await pullScene();
  it.hub.addRepository("test/empty", { files: { "README.md": textFile("") } });
  for (const [name, code, says] of [
    ["tinylama", "model_not_found", "tinyllama"],
    ["test/empty", "model_not_found", "npu-proxy search"],
    ["test/nobody", "model_not_found", "not found"],
    ["test/demo@v9", "model_not_found", "v9"],
    ["test/demo:Q4_K_M", "model_not_found", "no GGUF files"],
    ["../demo", "invalid_request", "path"],
  ] as const)
    expect(await failure(it.pull(name))).toMatchObject({ code, message: expect.stringContaining(says) });
  expect(readdirSync(it.models).filter((name) => name !== ".partial")).toEqual([]);
});
