import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { copyDemo, DEMO, temporaryFolder } from "../support/demo.ts";
import { startHub, type TestHub } from "../support/hub.ts";
import { openTestLibrary, pullAll } from "../support/library.ts";

const { signal } = new AbortController();

const refusal = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

/** The demo as a repository of the hub; `generation` makes another revision of it. */
function publish(hub: TestHub, generation = "{}"): string {
  const files: Record<string, string | Uint8Array> = {};
  for (const name of readdirSync(DEMO)) files[name] = join(DEMO, name);
  files["generation_config.json"] = new TextEncoder().encode(generation);
  return hub.addRepository("test/small", { files, license: "mit", tags: ["openvino"] }).commit;
}

describe("pulled models", () => {
  test("a pull ends in a model that knows where it came from; another word with the hub is not needed", async () => {
    using hub = await startHub();
    using folder = temporaryFolder();
    const commit = publish(hub);
    const { library, store, models } = openTestLibrary(folder.path, { endpoint: hub.url });
    const events = await pullAll(library, "test/small");
    expect(events.at(-1)).toMatchObject({ type: "done", model: "test/small:latest", unchanged: false });
    const model = await store.get("test/small");
    expect(model.source).toEqual({ hub: new URL(hub.url).host, repository: "test/small", revision: "main", commit });
    expect(model.pulledAt).toBeDate();
    expect(await Array.fromAsync(library.verify(undefined, false, signal))).toContainEqual({
      model: "test/small:latest",
      broken: [],
      repaired: false,
    });
    expect(readdirSync(join(models, ".partial"))).toEqual([]);
  });

  test("a newer revision keeps the old one until it has answered; rollback goes back and forth", async () => {
    using hub = await startHub();
    using folder = temporaryFolder();
    const first = publish(hub);
    const { library, store } = openTestLibrary(folder.path, { endpoint: hub.url });
    await pullAll(library, "test/small");
    expect(await refusal(library.rollback("test/small"))).toMatchObject({ code: "invalid_request" });
    const old = await store.get("test/small");
    const second = publish(hub, '{"temperature":0.125}');
    await pullAll(library, "test/small");
    expect((await store.get("test/small")).defaults.temperature).toBe(0.125);
    expect(await library.rollback("TEST/small")).toEqual({ model: "test/small:latest", commit: first });
    expect(await store.get("test/small")).toMatchObject({ digest: old.digest, source: { commit: first } });
    expect(await library.rollback("test/small")).toEqual({ model: "test/small:latest", commit: second });
  });

  test("what the hub tells of a model that was not pulled", async () => {
    using hub = await startHub();
    using folder = temporaryFolder();
    const commit = publish(hub, '{"temperature":0.5}');
    const { library } = openTestLibrary(folder.path, { endpoint: hub.url });
    expect(await library.describe("test/small", signal)).toMatchObject({
      name: "test/small:latest",
      family: "llama",
      format: "openvino",
      license: "mit",
      defaults: { temperature: 0.5 },
      source: { repository: "test/small", commit },
    });
    expect(await refusal(library.describe("tinylama", signal))).toMatchObject({
      code: "model_not_found",
      message: expect.stringContaining("tinyllama"),
    });
  });

  test("search and the catalogue without a hub", async () => {
    using folder = temporaryFolder();
    const { library } = openTestLibrary(folder.path);
    const page = await library.search({ text: "tinyllama", sort: "popular", limit: 5, offset: 0 }, signal);
    expect(page).toMatchObject({ from: "catalog", note: expect.any(String) });
    expect(page.results.length).toBeGreaterThan(0);
    expect(library.known().length).toBeGreaterThan(page.results.length);
  });
});

describe("copies and removals", () => {
  test("a copy is the same model under another name; it shares its files and outlives the other", async () => {
    using folder = temporaryFolder();
    const { library, store, models } = openTestLibrary(folder.path);
    for (const file of readdirSync(copyDemo(models, "one"))) utimesSync(join(models, "one", file), 1, 1);
    const before = Date.now();
    await library.copy("one", "Org/Two:v1", signal);
    const [one, two] = [await store.get("one"), await store.get("org/two:V1")];
    expect(two.name).toBe("Org/Two:v1");
    // A second for file systems with coarse times.
    expect(two.modified.getTime()).toBeGreaterThan(before - 1000);
    expect(statSync(join(two.directory, "openvino_model.bin")).ino).toBe(
      statSync(join(one.directory, "openvino_model.bin")).ino,
    );
    await library.copy("org/two:v1", "three", signal);
    expect((await store.get("three")).digest).toBe(two.digest);
    await library.copy("three", "THREE", signal);
    await library.remove("one", signal);
    await library.remove("ORG/two:v1", signal);
    expect(existsSync(join(models, "Org"))).toBe(false);
    expect((await store.list()).map(({ name }) => name).sort()).toEqual(["demo:latest", "three:latest"]);
    expect(await refusal(library.copy("gone", "x", signal))).toMatchObject({ code: "model_not_found" });
  });

  test("removing takes the previous revision along", async () => {
    using hub = await startHub();
    using folder = temporaryFolder();
    publish(hub);
    const { library, store, models } = openTestLibrary(folder.path, { endpoint: hub.url });
    await pullAll(library, "test/small");
    publish(hub, '{"temperature":1}');
    await pullAll(library, "test/small");
    expect(existsSync(join(models, ".previous", "test", "small"))).toBe(true);
    await library.remove("test/small", signal);
    expect(await refusal(store.get("test/small"))).toMatchObject({ code: "model_not_found" });
    expect(readdirSync(join(models, ".partial"))).toEqual([]);
  });

  test("what came with the program or lies in the system's store stays; a model of the user's may hide it", async () => {
    using folder = temporaryFolder();
    const system = join(folder.path, "system");
    mkdirSync(system);
    copyDemo(system, "shared");
    const { library, store } = openTestLibrary(folder.path, { system });
    for (const name of ["demo", "shared"])
      expect(await refusal(library.remove(name, signal))).toMatchObject({ code: "model_read_only" });
    await library.copy("demo", "shared", signal);
    expect((await store.get("shared")).directory).not.toStartWith(system);
    await library.remove("shared", signal);
    expect((await store.get("shared")).directory).toStartWith(system);
  });

  test("a store that cannot be written to is said so, without its path", async () => {
    using folder = temporaryFolder();
    const { library } = openTestLibrary(folder.path);
    // A file where the store wants a folder refuses root, too.
    writeFileSync(join(folder.path, "models", ".partial"), "");
    const refused = await refusal(library.copy("demo", "x", signal));
    expect(refused).toMatchObject({ code: "storage_failed", message: expect.stringContaining("NPU_PROXY_MODEL_PATH") });
    expect(String(refused)).not.toContain(folder.path);
  });
});

describe("who leaves", () => {
  const left = new AbortController();
  const reason = new Error("left");
  left.abort(reason);

  test("gets no copy made and nothing removed", async () => {
    using folder = temporaryFolder();
    const { library, store, models } = openTestLibrary(folder.path);
    copyDemo(models, "mine");
    expect(await refusal(library.copy("mine", "other", left.signal))).toBe(reason);
    expect(await refusal(library.remove("mine", left.signal))).toBe(reason);
    expect((await store.list()).map(({ name }) => name).sort()).toEqual(["demo:latest", "mine:latest"]);
    expect(readdirSync(join(models, ".partial"))).toEqual([]);
  });

  test("in the middle of a large file ends its copying there", async () => {
    using folder = temporaryFolder();
    const { library, models } = openTestLibrary(folder.path);
    const large = copyDemo(folder.path, "large");
    const size = 1 << 30;
    truncateSync(join(large, "openvino_model.bin"), size);
    const leaving = new AbortController();
    let settled = false;
    const importing = refusal(library.import(large, {}, leaving.signal)).finally(() => {
      settled = true;
    });
    // Blocks, not sizes: of a file with holes a clone has none either, and is there at once.
    let written = 0;
    while (!settled) {
      for await (const path of new Bun.Glob(".partial/*/openvino_model.bin").scan({ cwd: models, dot: true })) {
        const file = statSync(join(models, path), { throwIfNoEntry: false });
        written = Math.max(written, (file?.blocks ?? 0) * 512);
        if (file && file.size > 0) leaving.abort(reason);
      }
      await Bun.sleep(0);
    }
    expect(await importing).toBe(reason);
    expect(written).toBeLessThan(size);
    expect(readdirSync(join(models, ".partial"))).toEqual([]);
  });
});

test("a name that clashes with what is in the store is refused before anything is asked of the hub", async () => {
  using hub = await startHub();
  using folder = temporaryFolder();
  publish(hub);
  const { library, models } = openTestLibrary(folder.path, { endpoint: hub.url });
  copyDemo(models, "test");
  expect(await refusal(pullAll(library, "test/small"))).toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining("its first part is a model's own name"),
  });
  mkdirSync(join(models, "tinyllama"));
  copyDemo(join(models, "tinyllama"), "other");
  expect(await refusal(pullAll(library, "tinyllama"))).toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining("models of an organisation of this name are in the store"),
  });
  expect(hub.requests).toEqual([]);
});

test("a broken catalog.json costs what needs the catalogue, and nothing else", async () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, "catalog.json"), "{");
  const { library, store, models } = openTestLibrary(folder.path);
  expect((await store.list()).map(({ name }) => name)).toEqual(["demo:latest"]);
  expect((await store.get("demo")).name).toBe("demo:latest");
  await library.copy("demo", "mine", signal);
  expect(existsSync(join(models, "mine"))).toBe(true);
  const broken = { code: "invalid_setting", message: expect.stringContaining("catalog.json") };
  expect(() => library.known()).toThrow("catalog.json");
  const query = { text: "", sort: "popular", limit: 5, offset: 0 } as const;
  for (const asked of [
    () => library.search(query, signal),
    () => library.describe("tinyllama", signal),
    () => pullAll(library, "tinyllama"),
    () => store.get("tinyllama"),
  ])
    expect(await refusal(asked())).toMatchObject(broken);
});

describe("import", () => {
  test("takes a folder under its own name or another one, as a copy that verifies", async () => {
    using folder = temporaryFolder();
    const { library, store } = openTestLibrary(folder.path);
    const from = copyDemo(folder.path, "Mine");
    mkdirSync(join(from, ".git"));
    writeFileSync(join(from, ".git", "config"), "");
    expect(await library.import(from, {}, signal)).toBe("Mine:latest");
    expect(await library.import(from, { name: "org/other:v2" }, signal)).toBe("org/other:v2");
    const model = await store.get("mine");
    expect(existsSync(join(model.directory, ".git"))).toBe(false);
    writeFileSync(join(from, "config.json"), "{}");
    expect(await Array.fromAsync(library.verify("mine", false, signal))).toEqual([
      { model: "Mine:latest", broken: [], repaired: false },
    ]);
  });

  test("a file name that no manifest can have is refused, not stored in a model that nobody can read then", async () => {
    using folder = temporaryFolder();
    const { library, models } = openTestLibrary(folder.path);
    const from = copyDemo(folder.path, "Mine");
    writeFileSync(join(from, "notes: draft.txt"), "");
    const refused = await refusal(library.import(from, {}, signal));
    expect(refused).toMatchObject({ code: "invalid_request", message: expect.stringContaining('"notes: draft.txt"') });
    expect(readdirSync(join(models, ".partial"))).toEqual([]);
  });

  test("what is no model is refused and leaves nothing", async () => {
    using folder = temporaryFolder();
    const { library, models } = openTestLibrary(folder.path);
    writeFileSync(join(folder.path, "notes.txt"), "");
    writeFileSync(join(folder.path, "fake.gguf"), "GGUF");
    mkdirSync(join(folder.path, "empty"));
    mkdirSync(join(folder.path, "photos"));
    writeFileSync(join(folder.path, "photos", "cat.png"), "");
    for (const [name, code] of [
      ["notes.txt", "invalid_request"],
      ["nothing", "invalid_request"],
      ["fake.gguf", "model_invalid"],
      ["empty", "invalid_request"],
      ["photos", "invalid_request"],
    ] as const)
      expect(await refusal(library.import(join(folder.path, name), { name: "x" }, signal))).toMatchObject({ code });
    expect(readdirSync(models)).toEqual([".partial"]);
    expect(readdirSync(join(models, ".partial"))).toEqual([]);
  });

  test("an import that is given up leaves nothing", async () => {
    using folder = temporaryFolder();
    const { library, models } = openTestLibrary(folder.path);
    const from = copyDemo(folder.path, "mine");
    expect(await refusal(library.import(from, {}, AbortSignal.abort()))).toMatchObject({ name: "AbortError" });
    expect(readdirSync(join(models, ".partial"))).toEqual([]);
    expect(readFileSync(join(from, "config.json"), "utf8")).toBe(readFileSync(join(DEMO, "config.json"), "utf8"));
  });
});

test("a hidden file of a repository is not taken: the model would look changed by hand", async () => {
  using hub = await startHub();
  using folder = temporaryFolder();
  const files = Object.fromEntries(readdirSync(DEMO).map((name) => [name, join(DEMO, name)]));
  hub.addRepository("test/hidden", { files: { ...files, ".hidden.json": new TextEncoder().encode("{}") } });
  const { library, store } = openTestLibrary(folder.path, { endpoint: hub.url });
  await pullAll(library, "test/hidden");
  const { directory, digest } = await store.get("test/hidden");
  expect(JSON.parse(readFileSync(join(directory, "npu-proxy.json"), "utf8"))).toMatchObject({ digest });
});
