import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Observer } from "../../src/core/ports.ts";
import { createCatalog } from "../../src/models/catalog.ts";
import { hashOf } from "../../src/models/store/file-hash.ts";
import { filesOf, replaceFolder } from "../../src/models/store/folders.ts";
import { digestOfFiles, MANIFEST, type Manifest, writeManifest } from "../../src/models/store/manifest.ts";
import { createShelves } from "../../src/models/store/shelves.ts";
import { createModelStore } from "../../src/models/store/store.ts";
import { copyDemo, DEMO, temporaryFolder } from "../support/demo.ts";

/** A way to wait for what the store logs. */
class Log implements Observer {
  readonly #seen = new Map<string, PromiseWithResolvers<void>>();

  log(_level: string, message: string): void {
    this.#entry(message).resolve();
  }

  said(message: string): Promise<void> {
    return this.#entry(message).promise;
  }

  #entry(message: string): PromiseWithResolvers<void> {
    const entry = this.#seen.get(message) ?? Promise.withResolvers<void>();
    this.#seen.set(message, entry);
    return entry;
  }
}

const store = (models: string, { system, log = new Log() }: { system?: string; log?: Log } = {}) =>
  createModelStore({
    shelves: createShelves({ models, system, builtin: async () => ({ demo: DEMO }) }),
    configDirectory: models,
    observer: log,
    nearest: createCatalog().nearest,
  });

/** A manifest of a folder's files as they are. */
async function record(folder: string, more: Partial<Manifest> = {}): Promise<Manifest> {
  const { signal } = new AbortController();
  const files = await Promise.all(
    filesOf(folder)
      .filter((path) => path !== MANIFEST)
      .map(async (path) => ({
        path,
        size: statSync(join(folder, path)).size,
        sha256: await hashOf(join(folder, path), signal),
      })),
  );
  const manifest = {
    version: 1,
    name: "mine:latest",
    files,
    digest: digestOfFiles(files, more.recipe),
    ...more,
  } as const;
  await writeManifest(folder, manifest);
  return manifest;
}

const refusal = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

describe("model store", () => {
  test("the demo tells what its own files say", async () => {
    using folder = temporaryFolder();
    const model = await store(folder.path).get("demo");
    expect(model).toMatchObject({ name: "demo:latest", family: "llama", quantization: "INT8" });
    expect(model.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(model.parameterSize).toMatch(/^[\d.]+M$/);
    expect(model.contextLength).toBeGreaterThanOrEqual(1024);
    expect(model.size).toBeGreaterThan(statSync(join(DEMO, "openvino_model.bin")).size);
    expect(model.chatTemplate).toContain("<|im_start|>");
    expect(model.defaults.temperature).toBe(0);
  });

  test("names: case, tag, organisation; a folder of the user's wins over the built-in", async () => {
    using folder = temporaryFolder();
    copyDemo(folder.path, "demo");
    mkdirSync(join(folder.path, "Org"));
    copyDemo(join(folder.path, "Org"), "Model-1");
    const models = store(folder.path);
    expect((await models.list()).map(({ name }) => name).sort()).toEqual(["Org/Model-1:latest", "demo:latest"]);
    for (const name of ["Org/Model-1", "org/model-1:LATEST"])
      expect((await models.get(name)).directory).toContain("Model-1");
    expect((await models.get("DEMO:latest")).directory).toStartWith(folder.path);
  });

  test("a damaged model is told apart from the others, and logged once as long as it stays the same", async () => {
    using folder = temporaryFolder();
    const broken = copyDemo(folder.path, "broken");
    rmSync(join(broken, "config.json"));
    const lines: unknown[] = [];
    const models = createModelStore({
      shelves: createShelves({ models: folder.path, system: undefined, builtin: async () => ({ demo: DEMO }) }),
      configDirectory: folder.path,
      observer: { log: (...line) => void lines.push(line) },
      nearest: () => [],
    });
    for (const _ of [1, 2]) expect((await models.list()).map(({ name }) => name)).toEqual(["demo:latest"]);
    const reason = "it has no config.json.";
    const [told, ...more] = await models.damaged();
    expect([told?.name, more]).toEqual(["broken:latest", []]);
    expect(told?.reason).toContain(reason);
    expect(told?.reason).not.toContain("broken");
    expect(lines).toEqual([["warn", "damaged model", { model: "broken:latest", reason: told?.reason }]]);
    expect(JSON.stringify(lines)).not.toContain(folder.path);
    writeFileSync(join(broken, "config.json"), "[");
    await models.list();
    expect(lines).toHaveLength(2);
    writeFileSync(join(broken, "config.json"), readFileSync(join(DEMO, "config.json")));
    expect((await models.list()).map(({ name }) => name).sort()).toEqual(["broken:latest", "demo:latest"]);
    expect(await models.damaged()).toEqual([]);
    expect(lines).toHaveLength(2);
  });

  test("a model that is named like a GGUF file leaves its organisation what it is", async () => {
    using folder = temporaryFolder();
    mkdirSync(join(folder.path, "org"));
    copyDemo(join(folder.path, "org"), "model+m.q8_0.gguf");
    copyDemo(join(folder.path, "org"), "other");
    const models = store(folder.path);
    const names = ["demo:latest", "org/model:m.q8_0.gguf", "org/other:latest"];
    expect((await models.list()).map(({ name }) => name).sort()).toEqual(names);
    for (const name of names) expect(await models.get(name)).toMatchObject({ name });
    const staged = copyDemo(folder.path, "staged");
    expect(await replaceFolder(folder.path, "org/third:latest", staged)).toContain("third");
  });

  for (const name of [
    "nope",
    "demo:other",
    "../demo",
    "/etc",
    "demo/../demo",
    "",
    ":",
    "a".repeat(5000),
    "dem\u0000o",
    "..:latest",
  ])
    test(`unknown or hostile name ${JSON.stringify(name).slice(0, 30)}`, async () => {
      using folder = temporaryFolder();
      expect(await refusal(store(folder.path).get(name))).toMatchObject({
        code: "model_not_found",
        message: expect.stringContaining("not found"),
      });
    });

  const damage: [what: string, how: (directory: string) => void, says: RegExp][] = [
    ["no tokenizer", (d) => rmSync(join(d, "openvino_tokenizer.xml")), /no openvino_tokenizer\.xml/],
    ["no detokenizer", (d) => rmSync(join(d, "openvino_detokenizer.bin")), /no openvino_detokenizer\.bin/],
    [
      "a cut-off .bin",
      (d) => truncateSync(join(d, "openvino_model.bin"), 1000),
      /openvino_model\.bin has 1000 bytes .* cut off/,
    ],
    ["no .bin", (d) => rmSync(join(d, "openvino_model.bin")), /no openvino_model\.bin/],
    ["something else than XML", (d) => writeFileSync(join(d, "openvino_model.xml"), "\u007fELF"), /no OpenVINO model/],
    ["cut-off XML", (d) => truncateSync(join(d, "openvino_model.xml"), 4000), /openvino_model\.xml was cut off/],
    [
      "sampling defaults that are no JSON",
      (d) => writeFileSync(join(d, "generation_config.json"), "["),
      /generation_config\.json is no JSON/,
    ],
    ["a config that is no JSON", (d) => writeFileSync(join(d, "config.json"), "{"), /config\.json is no JSON/],
  ];
  for (const [what, how, says] of damage)
    test(`a folder with ${what} is named as damaged, and does not hide the others`, async () => {
      using folder = temporaryFolder();
      how(copyDemo(folder.path, "broken"));
      const models = store(folder.path);
      const refused = await models.get("broken").catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "model_invalid", message: expect.stringMatching(says) });
      expect(String(refused)).not.toContain(folder.path);
      expect((await models.list()).map(({ name }) => name)).toEqual(["demo:latest"]);
    });

  test("models.json: settings of one model, a draft by name; what is wrong in it is named", async () => {
    using folder = temporaryFolder();
    const write = (content: unknown) => writeFileSync(join(folder.path, "models.json"), JSON.stringify(content));
    copyDemo(folder.path, "small");
    const models = store(folder.path);
    write({ "Demo:latest": { prompt_lookup: true, draft_model: "small", chat_template: "x" } });
    expect((await models.get("demo")).tuning).toEqual({
      promptLookup: true,
      chatTemplate: "x",
      draft: { name: "small:latest", directory: join(folder.path, "small") },
    });
    expect((await models.get("small")).tuning).toEqual({});
    write({ demo: { draft_model: "missing" } });
    expect(await refusal(models.get("demo"))).toMatchObject({ code: "model_not_found" });
    write({ demo: { prompt_lokup: true } });
    expect(await refusal(models.get("demo"))).toMatchObject({
      code: "invalid_setting",
      message: expect.stringContaining("prompt_lokup"),
    });
  });

  test("a change in the folder is seen, and changes the digest", async () => {
    using folder = temporaryFolder();
    const directory = copyDemo(folder.path, "mine");
    const models = store(folder.path);
    const before = await models.get("mine");
    expect((await models.get("mine")).digest).toBe(before.digest);
    writeFileSync(join(directory, "generation_config.json"), '{"do_sample":true,"temperature":0.5,"top_k":7}');
    const after = await models.get("mine");
    expect(after.digest).not.toBe(before.digest);
    expect(after.defaults).toEqual({ temperature: 0.5, topK: 7 });
  });

  test("a misspelt name is answered with the nearest ones, of the store and of the catalogue", async () => {
    using folder = temporaryFolder();
    copyDemo(folder.path, "my-model");
    const models = store(folder.path);
    expect(await refusal(models.get("my-modle"))).toMatchObject({ message: expect.stringContaining("my-model") });
    expect(await refusal(models.get("tinylama"))).toMatchObject({ message: expect.stringContaining("tinyllama") });
  });

  test("a tag is a + in the folder's name; the user's store hides the system's; work under way is no model", async () => {
    using folder = temporaryFolder();
    const [models, system] = [join(folder.path, "models"), join(folder.path, "system")];
    for (const place of [models, system, join(models, ".partial"), join(models, "Org")]) mkdirSync(place);
    copyDemo(models, "mine+fp16");
    copyDemo(models, "both");
    copyDemo(join(models, "Org"), "x+q4_0");
    copyDemo(join(models, ".partial"), "unfinished");
    copyDemo(system, "Both");
    copyDemo(system, "shared");
    const both = store(models, { system });
    expect((await both.list()).map(({ name }) => name).sort()).toEqual([
      "Org/x:q4_0",
      "both:latest",
      "demo:latest",
      "mine:fp16",
      "shared:latest",
    ]);
    expect((await both.get("MINE:FP16")).directory).toBe(join(models, "mine+fp16"));
    expect((await both.get("BOTH")).directory).toBe(join(models, "both"));
    expect((await both.get("shared")).directory).toBe(join(system, "shared"));
    expect(await refusal(both.get("mine"))).toMatchObject({ code: "model_not_found" });
    copyDemo(join(models, "both"), "part");
    expect(await refusal(both.get("both/part"))).toMatchObject({ code: "model_not_found" });
  });

  test("a crash between the two renames of a replacement is healed by whoever looks next", async () => {
    using folder = temporaryFolder();
    copyDemo(folder.path, "Mine");
    mkdirSync(join(folder.path, ".previous"));
    renameSync(join(folder.path, "Mine"), join(folder.path, ".previous", "Mine"));
    expect((await store(folder.path).get("mine")).directory).toBe(join(folder.path, "Mine"));
    expect(existsSync(join(folder.path, ".previous", "Mine"))).toBe(false);
  });

  test("replacing keeps the spelling on disk and the old revision, and refuses a name that is an organisation's", async () => {
    using folder = temporaryFolder();
    const staged = (name: string) => copyDemo(join(folder.path, ".partial"), name);
    mkdirSync(join(folder.path, ".partial"));
    mkdirSync(join(folder.path, "Org"));
    copyDemo(join(folder.path, "Org"), "One");
    writeFileSync(join(folder.path, "Org", "One", "old"), "");
    expect(await replaceFolder(folder.path, "org/one:latest", staged("new"))).toBe(join(folder.path, "Org", "One"));
    expect(existsSync(join(folder.path, "Org", "One", "old"))).toBe(false);
    expect(existsSync(join(folder.path, ".previous", "Org", "One", "old"))).toBe(true);
    for (const name of ["org:latest", "demo/x:latest"]) {
      if (name.startsWith("demo")) copyDemo(folder.path, "demo");
      expect(await refusal(replaceFolder(folder.path, name, staged("other")))).toMatchObject({
        code: "invalid_request",
      });
      rmSync(join(folder.path, ".partial", "other"), { recursive: true });
    }
    expect((await store(folder.path).get("org/one")).name).toBe("Org/One:latest");
  });

  test("two that replace one model at once both end, and one of them is there", async () => {
    using folder = temporaryFolder();
    mkdirSync(join(folder.path, ".partial"));
    const staged = ["a", "b", "c", "d"].map((name) => copyDemo(join(folder.path, ".partial"), name));
    const models = store(folder.path);
    const looks = Array.from({ length: 20 }, () => models.list());
    await Promise.all([...staged.map((from) => replaceFolder(folder.path, "mine", from)), ...looks]);
    expect((await models.get("mine")).name).toBe("mine:latest");
  });

  test("a model and an organisation that take one name at once: one is refused, neither takes the other's files", async () => {
    using folder = temporaryFolder();
    const { path } = folder;
    for (let round = 0; round < 40; round++) {
      mkdirSync(join(path, ".partial"));
      const [model, member] = ["a", "b"].map((name) => copyDemo(join(path, ".partial"), name)) as [string, string];
      const [first, second] = await Promise.allSettled([
        replaceFolder(path, "foo", model),
        replaceFolder(path, "foo/x", member),
      ]);
      expect([first.status, second.status].sort()).toEqual(["fulfilled", "rejected"]);
      expect(existsSync(join(path, "foo", "config.json"))).toBe(first.status === "fulfilled");
      expect(existsSync(join(path, "foo", "x", "config.json"))).toBe(second.status === "fulfilled");
      for (const name of ["foo", ".previous", ".partial"]) rmSync(join(path, name), { recursive: true, force: true });
    }
  });

  test("the previous revision goes once the new one has answered, not when the old one has", async () => {
    using folder = temporaryFolder();
    const log = new Log();
    const models = store(folder.path, { log });
    await record(copyDemo(folder.path, "mine"));
    const old = await models.get("mine");
    mkdirSync(join(folder.path, ".partial"));
    const staged = copyDemo(join(folder.path, ".partial"), "staged");
    writeFileSync(join(staged, "generation_config.json"), '{"temperature":0.1}');
    await record(staged);
    await replaceFolder(folder.path, "mine:latest", staged);
    const previous = join(folder.path, ".previous", "mine");
    models.answered(old);
    await log.said("previous revision kept");
    expect(existsSync(previous)).toBe(true);
    const renewed = await models.get("mine");
    expect(renewed.digest).not.toBe(old.digest);
    models.answered(renewed);
    await log.said("previous revision removed");
    expect(existsSync(previous)).toBe(false);
  });

  test("a manifest's origin, recipe and digest are the model's; files changed by hand have another digest", async () => {
    using folder = temporaryFolder();
    const directory = copyDemo(folder.path, "mine");
    const source = { hub: "hub.example", repository: "a/b", revision: "main", commit: "0".repeat(40) };
    const recipe = { parent: "demo:latest", system: "Be brief.", parameters: { temperature: 0.3, stop: ["END"] } };
    const pulledAt = "2026-01-02T03:04:05.000Z";
    const manifest = await record(directory, { source, recipe, pulledAt, license: "mit" });
    const models = store(folder.path);
    const model = await models.get("mine");
    expect(model).toMatchObject({ source, recipe, pulledAt: new Date(pulledAt), digest: manifest.digest });
    expect(model.defaults).toMatchObject({ temperature: 0.3, stop: ["END"] });
    expect(model.license).toBeString();
    const later = new Date(Date.now() + 60_000);
    writeFileSync(join(directory, "generation_config.json"), readFileSync(join(directory, "generation_config.json")));
    utimesSync(join(directory, "generation_config.json"), later, later);
    expect((await models.get("mine")).digest).not.toBe(manifest.digest);
  });

  test.each([
    ["no JSON", "{"],
    ["another version", '{"version":2}'],
    [
      "a file outside of the folder",
      JSON.stringify({
        version: 1,
        name: "mine",
        digest: "0".repeat(64),
        files: [{ path: "../../etc/passwd", size: 1, sha256: "0".repeat(64) }],
      }),
    ],
  ])("a manifest with %s is named as damaged, without the path", async (_, content) => {
    using folder = temporaryFolder();
    writeFileSync(join(copyDemo(folder.path, "mine"), MANIFEST), content);
    const refused = await refusal(store(folder.path).get("mine"));
    expect(refused).toMatchObject({ code: "model_invalid", message: expect.stringContaining(MANIFEST) });
    expect(String(refused)).not.toContain(folder.path);
  });
});
