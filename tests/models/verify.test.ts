import { expect, test } from "bun:test";
import { copyFileSync, cpSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ModelLibrary, VerifyReport } from "../../src/core/library.ts";
import type { Converter } from "../../src/models/pull/convert.ts";
import { until } from "../support/daemon.ts";
import { copyDemo, DEMO, temporaryFolder } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { demoRepository } from "../support/hub.ts";
import { openTestLibrary } from "../support/library.ts";
import { pullScene, textFile } from "../support/pull-scene.ts";

const { signal } = new AbortController();

async function verify(library: ModelLibrary, name: string, repair = false): Promise<VerifyReport> {
  const [report, ...more] = await Array.fromAsync(library.verify(name, repair, signal));
  expect(more).toEqual([]);
  if (!report) throw new Error("nothing was verified");
  return report;
}

/** Changes a byte and nothing that a listing would see. */
function flip(file: string): void {
  const content = readFileSync(file);
  content[0] = (content[0] ?? 0) ^ 1;
  writeFileSync(file, content);
}

function break3(directory: string): void {
  flip(join(directory, "openvino_model.bin"));
  truncateSync(join(directory, "config.json"), 5);
  rmSync(join(directory, "openvino_tokenizer.xml"));
}

test("every kind of damage is named; repair fetches what is broken and nothing else", async () => {
  using it = await pullScene();
  await it.pull("test/demo");
  const { directory, digest } = await it.store.get("test/demo");
  break3(directory);
  const size = statSync(join(DEMO, "config.json")).size;
  const broken = [
    { file: "config.json", what: `5 of ${size} bytes` },
    { file: "openvino_model.bin", what: "other content" },
    { file: "openvino_tokenizer.xml", what: "missing" },
  ];
  const sorted = ({ broken: found, ...report }: VerifyReport) => ({
    ...report,
    broken: [...found].sort((a, b) => (a.file < b.file ? -1 : 1)),
  });
  expect(sorted(await verify(it.library, "test/demo"))).toEqual({ model: "test/demo:latest", broken, repaired: false });
  const asked = it.hub.requests.length;
  expect(sorted(await verify(it.library, "test/demo", true))).toEqual({
    model: "test/demo:latest",
    broken,
    repaired: true,
  });
  const fetched = it.hub.requests.slice(asked).filter(({ path }) => path.includes("/resolve/"));
  expect(fetched.map(({ path }) => path.split("/").at(-1)).sort()).toEqual(broken.map(({ file }) => file));
  expect(await verify(it.library, "test/demo")).toEqual({ model: "test/demo:latest", broken: [], repaired: false });
  expect((await it.store.get("test/demo")).digest).toBe(digest);
  expect(it.partial()).toEqual([]);
});

test("a derived model is repaired as well, and keeps its recipe", async () => {
  using it = await pullScene();
  await it.pull("test/demo");
  await Array.fromAsync(
    it.library.create({ name: "mine", from: "test/demo", system: "Hi", allowFolder: false }, signal),
  );
  flip(join((await it.store.get("mine")).directory, "openvino_model.bin"));
  expect(await verify(it.library, "mine", true)).toMatchObject({ repaired: true });
  expect((await it.store.get("mine")).recipe?.system).toBe("Hi");
  expect((await verify(it.library, "mine")).broken).toEqual([]);
});

test("a converted model is pulled and converted again; the broken one is not kept to go back to", async () => {
  const files = { "config.json": new TextEncoder().encode("{}"), "model.safetensors": new Uint8Array(10) };
  const converter: Converter = {
    plan: () => ({ with: "own", command: "convert", kind: "llm" }),
    async *convert(_, into) {
      cpSync(DEMO, into, { recursive: true });
      yield "done";
    },
  };
  using it = await pullScene({ converter });
  it.hub.addRepository("test/source", { files });
  await it.pull("test/source");
  const { directory } = await it.store.get("test/source");
  flip(join(directory, "openvino_model.bin"));
  expect(await verify(it.library, "test/source", true)).toMatchObject({ repaired: true });
  expect((await verify(it.library, "test/source")).broken).toEqual([]);
  expect(existsSync(join(it.models, ".previous", "test", "source"))).toBe(false);
});

test("a hub that sends wrong bytes repairs nothing and breaks nothing more", async () => {
  using it = await pullScene();
  await it.pull("test/demo");
  const weights = join((await it.store.get("test/demo")).directory, "openvino_model.bin");
  flip(weights);
  const damaged = readFileSync(weights);
  it.hub.fault({ path: "openvino_model.bin", times: 10 }, { wrongBytes: true });
  expect(await failure(verify(it.library, "test/demo", true))).toMatchObject({ code: "download_corrupt" });
  expect(readFileSync(weights).equals(damaged)).toBe(true);
});

test("what has no manifest is unknown; what is on no hub, or not the user's, is not repaired", async () => {
  using folder = temporaryFolder();
  const system = join(folder.path, "system");
  const { library, store, models } = openTestLibrary(folder.path, { system });
  copyDemo(models, "by-hand");
  expect(await verify(library, "by-hand", true)).toMatchObject({ unknown: expect.any(String), repaired: false });
  await library.import(DEMO, { name: "imported" }, signal);
  const { directory } = await store.get("imported");
  copyDemo(system, "shared");
  copyFileSync(join(directory, "npu-proxy.json"), join(system, "shared", "npu-proxy.json"));
  for (const [name, place] of [
    ["imported", directory],
    ["shared", join(system, "shared")],
  ] as const) {
    break3(place);
    expect(await verify(library, name, true)).toMatchObject({ broken: [{}, {}, {}], repaired: false });
  }
  writeFileSync(join(directory, "npu-proxy.json"), "{");
  expect((await verify(library, "imported")).broken).toEqual([{ file: "npu-proxy.json", what: "damaged" }]);
  const all = await Array.fromAsync(library.verify(undefined, false, signal));
  expect(all.map(({ model }) => model).sort()).toEqual([
    "by-hand:latest",
    "demo:latest",
    "imported:latest",
    "shared:latest",
  ]);
});

test("it can be left", async () => {
  using folder = temporaryFolder();
  const { library } = openTestLibrary(folder.path);
  await library.import(DEMO, { name: "mine" }, signal);
  const left = Array.fromAsync(library.verify("mine", false, AbortSignal.abort()));
  expect(await left.catch((error: unknown) => error)).toMatchObject({ name: "AbortError" });
});

test("a model that is removed or replaced while it is repaired gets none of the old files", async () => {
  using it = await pullScene({ patience: { stallMs: 200, backoffMs: 1 } });
  for (const meanwhile of ["removed", "replaced"]) {
    await it.pull("test/demo");
    const { directory } = await it.store.get("test/demo");
    break3(directory);
    it.hub.fault({ path: "openvino_model.bin", times: 1 }, { stall: true });
    const asked = it.hub.requests.length;
    const repairing = verify(it.library, "test/demo", true);
    await until(() => it.hub.requests.slice(asked).some(({ path, bytes }) => path.includes("model.bin") && bytes > 0));
    await it.library.remove("test/demo", signal);
    if (meanwhile === "replaced") {
      const files = { ...demoRepository().files, "notes.json": textFile("{}") };
      it.hub.addRepository("test/demo", { files });
      await it.pull("test/demo");
    }
    expect(await repairing).toMatchObject({ repaired: false });
    if (meanwhile === "removed") expect(existsSync(directory)).toBe(false);
    else expect((await verify(it.library, "test/demo")).broken).toEqual([]);
  }
  expect((await it.store.get("test/demo")).source?.commit).toBeString();
});
