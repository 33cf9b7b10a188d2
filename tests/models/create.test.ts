import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CreateRequest, ModelLibrary } from "../../src/core/library.ts";
import { copyDemo, DEMO, temporaryFolder } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { openTestLibrary } from "../support/library.ts";
import { watchFolder } from "../support/watched-folder.ts";

const { signal } = new AbortController();

const create = (library: ModelLibrary, request: Partial<CreateRequest> & { name: string }) =>
  Array.fromAsync(library.create({ allowFolder: false, ...request }, signal));

const streamOf = (...parts: readonly (string | Uint8Array<ArrayBuffer>)[]) => new Blob([...parts]).stream();

const digestOf = (content: string | Uint8Array) =>
  `sha256:${new Bun.CryptoHasher("sha256").update(content).digest("hex")}`;

/** Uploads the demo; file name to digest, as a client sends them. */
async function uploadDemo(library: ModelLibrary): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const name of readdirSync(DEMO)) {
    const content = readFileSync(join(DEMO, name));
    files[name] = digestOf(content);
    await library.writeBlob(files[name], streamOf(content), signal);
  }
  return files;
}

describe("create", () => {
  test("a model of a model shares its files and adds to it; each goes without the other", async () => {
    using folder = temporaryFolder();
    const { library, store, models } = openTestLibrary(folder.path);
    copyDemo(models, "parent");
    const modelfile =
      'FROM parent\nSYSTEM You are brief.\nPARAMETER temperature 0.25\nPARAMETER stop "END"\nMESSAGE user Hi';
    const told = await create(library, {
      name: "Child:v1",
      modelfile,
      system: "You are long.",
      parameters: { top_k: 7 },
    });
    expect(told.map(({ status }) => status)).toEqual(["using parent:latest", "writing manifest"]);
    const child = await store.get("child:V1");
    expect(child.name).toBe("Child:v1");
    // What the request says wins over the Modelfile, setting by setting.
    expect(child.recipe).toEqual({
      parent: "parent:latest",
      system: "You are long.",
      parameters: { temperature: 0.25, stop: ["END"], top_k: 7 },
      messages: [{ role: "user", content: "Hi" }],
    });
    expect(child.defaults).toMatchObject({ temperature: 0.25, stop: ["END"], topK: 7 });
    const parent = await store.get("parent");
    expect(child.digest).not.toBe(parent.digest);
    const weights = (of: { directory: string }) => statSync(join(of.directory, "openvino_model.bin"));
    expect(weights(child).ino).toBe(weights(parent).ino);

    await create(library, { name: "grandchild", from: "child:v1", parameters: { temperature: 1 } });
    expect((await store.get("grandchild")).recipe).toMatchObject({
      parent: "Child:v1",
      system: "You are long.",
      parameters: { top_k: 7, temperature: 1, stop: ["END"] },
    });
    await library.remove("parent", signal);
    await library.remove("child:v1", signal);
    const left = await store.get("grandchild");
    expect(
      readFileSync(join(left.directory, "openvino_model.bin")).equals(readFileSync(join(DEMO, "openvino_model.bin"))),
    ).toBe(true);
  });

  test("templates: Go's and Jinja's are told apart; what Go's cannot do here is refused by name", async () => {
    using folder = temporaryFolder();
    const { library, store } = openTestLibrary(folder.path);
    await create(library, {
      name: "go",
      from: "demo",
      template: "{{ if .System }}{{ .System }}{{ end }}{{ .Prompt }}",
    });
    await create(library, {
      name: "jinja",
      from: "demo",
      template: "{% for m in messages %}{{ m.content }}{% endfor %}",
    });
    expect((await store.get("go")).recipe?.template?.kind).toBe("go");
    expect((await store.get("jinja")).recipe?.template?.kind).toBe("jinja");
    for (const template of ['{{ template "x" . }}', "{{ if .Prompt }}", "{{ .Prompt".padEnd(70_000, " ")])
      expect(await failure(create(library, { name: "bad", from: "demo", template }))).toMatchObject({
        code: "invalid_template",
      });
    expect(await failure(store.get("bad"))).toMatchObject({ code: "model_not_found" });
  });

  test("blobs: uploaded once, checked, and made into a model that has them", async () => {
    using folder = temporaryFolder();
    const { library, store, models } = openTestLibrary(folder.path);
    const files = await uploadDemo(library);
    for (const digest of Object.values(files)) expect(await library.hasBlob(digest)).toBe(true);
    expect((await create(library, { name: "uploaded", files })).length).toBeGreaterThan(0);
    expect((await store.get("uploaded")).recipe).toBeUndefined();
    expect((await Array.fromAsync(library.verify("uploaded", false, signal)))[0]?.broken).toEqual([]);

    const wrong = `sha256:${"0".repeat(64)}`;
    expect(await failure(library.writeBlob(wrong, streamOf("other"), signal))).toMatchObject({
      code: "invalid_request",
      message: expect.stringContaining(digestOf("other")),
    });
    expect(await library.hasBlob(wrong)).toBe(false);
    const kept = Object.values(files).map((digest) => digest.replace(":", "-"));
    expect(readdirSync(join(models, ".blobs")).sort()).toEqual([...new Set(kept)].sort());
    const missing = { "model.gguf": wrong };
    expect(await failure(create(library, { name: "x", files: missing }))).toMatchObject({
      code: "invalid_request",
      message: expect.stringContaining(wrong),
    });
  });

  test("an upload that is given up, or was before it began, leaves nothing", async () => {
    using folder = temporaryFolder();
    const { library, models } = openTestLibrary(folder.path);
    const stalled = () =>
      new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array(10)) });
    const leaving = new AbortController();
    const writing = library.writeBlob(digestOf("x"), stalled(), leaving.signal);
    leaving.abort();
    await expect(writing).rejects.toMatchObject({ name: "AbortError" });
    const late = library.writeBlob(digestOf("x"), stalled(), AbortSignal.abort());
    await expect(late).rejects.toMatchObject({ name: "AbortError" });
    expect(readdirSync(join(models, ".blobs"))).toEqual([]);
  });

  test("a folder of this machine: for its own user, as a copy", async () => {
    using folder = temporaryFolder();
    const { library, store } = openTestLibrary(folder.path);
    const from = copyDemo(folder.path, "elsewhere");
    expect(await failure(create(library, { name: "x", from }))).toMatchObject({
      code: "invalid_request",
      param: "from",
    });
    await create(library, { name: "x", from, allowFolder: true });
    const file = "openvino_model.bin";
    expect(statSync(join((await store.get("x")).directory, file)).ino).not.toBe(statSync(join(from, file)).ino);
    rmSync(from, { recursive: true });
    expect((await store.get("x")).name).toBe("x:latest");
  });

  test("what was not pulled is said so; a misspelt name is answered with the nearest", async () => {
    using folder = temporaryFolder();
    const { library } = openTestLibrary(folder.path);
    for (const [from, says] of [
      ["tinyllama", /npu-proxy pull tinyllama/],
      ["OpenVINO/some-model", /npu-proxy pull OpenVINO\/some-model/],
      ["demoo", /Did you mean .*demo/],
    ] as const)
      expect(await failure(create(library, { name: "x", from }))).toMatchObject({
        code: "model_not_found",
        message: expect.stringMatching(says),
      });
  });

  test.each<[string, Partial<CreateRequest>, string]>([
    ["nothing to make it of", {}, "invalid_request"],
    ["an unknown parameter", { from: "demo", parameters: { temprature: 1 } }, "invalid_request"],
    ["a parameter out of range", { from: "demo", parameters: { top_p: 2 } }, "invalid_request"],
    ["a parameter of another type", { from: "demo", parameters: { temperature: "hot" } }, "invalid_request"],
    ["an adapter", { modelfile: "FROM demo\nADAPTER ./x" }, "invalid_request"],
    ["a revision in its name", { name: "x@main", from: "demo" }, "invalid_request"],
    ["a folder that is no model", { from: "/", allowFolder: true }, "invalid_request"],
    ["a folder that is not there", { from: "/nowhere/at/all", allowFolder: true }, "invalid_request"],
  ])("%s is refused and leaves nothing", async (_, request, code) => {
    using folder = temporaryFolder();
    const { library, models } = openTestLibrary(folder.path);
    if (request.from === "/") {
      mkdirSync(join(folder.path, "empty"));
      request = { ...request, from: join(folder.path, "empty") };
    }
    const refused = await failure(create(library, { name: "x", ...request }));
    expect(refused).toMatchObject({ code });
    expect(String(refused)).not.toContain(folder.path);
    expect(existsSync(join(models, "x"))).toBe(false);
    const partial = join(models, ".partial");
    expect(existsSync(partial) ? readdirSync(partial) : []).toEqual([]);
  });
});

const HOSTILE_NAMES = [
  "../x",
  "..%2fx",
  "/etc/x",
  "C:\\x",
  "\\\\host\\share",
  "CON",
  "nul.txt",
  "x.",
  "x/../../y",
  "x:",
  ":x",
  "x:../y",
  "аdmin",
  "x\u0000y",
  "a".repeat(10_000),
  "@sha256:..",
  ".hidden",
  ".blobs",
  "x/.partial",
  "",
];

const HOSTILE_DIGESTS = [
  "",
  "sha256:",
  `sha256:${"a".repeat(63)}`,
  `sha256:${"a".repeat(65)}`,
  `sha256:${"A".repeat(64)}`,
  `sha256:${"../".repeat(21)}a`,
  `sha256-../../${"a".repeat(58)}`,
  `md5:${"a".repeat(64)}`,
];

const HOSTILE_FILES = ["../x", "/x", "a/../../x", "a\\b", "CON", "npu-proxy.json", ".x", "x:y", "", "a\u0000b", "x."];

describe("nothing leaves the store", () => {
  test("hostile names, digests and file names are refused with a reason, and nothing beside the store is touched", async () => {
    using folder = temporaryFolder();
    const { library, models } = openTestLibrary(folder.path);
    writeFileSync(join(folder.path, "outside"), "safe");
    const good = digestOf("content");
    await library.writeBlob(good, streamOf("content"), signal);
    await create(library, { name: "good", from: "demo" });
    const before = readdirSync(models).sort();
    using watched = watchFolder(folder.path);
    const refused = async (promise: Promise<unknown>, codes: readonly string[]): Promise<void> => {
      const error = await failure(promise);
      expect(codes).toContain(error.code);
      expect(String(error)).not.toContain(folder.path);
    };
    for (const name of HOSTILE_NAMES) {
      await refused(create(library, { name, from: "demo" }), ["invalid_request"]);
      await refused(library.copy("demo", name, signal), ["invalid_request"]);
      await refused(library.copy(name, "new", signal), ["model_not_found"]);
      await refused(library.remove(name, signal), ["model_not_found"]);
      await refused(library.rollback(name), ["model_not_found"]);
      await refused(library.import(DEMO, { name }, signal), ["invalid_request"]);
      await refused(create(library, { name: "new", from: name }), ["invalid_request", "model_not_found"]);
    }
    for (const digest of HOSTILE_DIGESTS) {
      await refused(library.hasBlob(digest), ["invalid_request"]);
      await refused(library.writeBlob(digest, streamOf("content"), signal), ["invalid_request"]);
      await refused(create(library, { name: "new", files: { "m.gguf": digest } }), ["invalid_request"]);
    }
    for (const file of HOSTILE_FILES)
      await refused(create(library, { name: "new", files: { [file]: good } }), ["invalid_request"]);
    await refused(create(library, { name: "new", files: { a: good, "a/b": good } }), ["invalid_request"]);
    await refused(create(library, { name: "new", files: { a: good, A: good } }), ["invalid_request"]);
    expect((await watched.touched()).filter((name) => name !== "models")).toEqual([]);
    expect(readdirSync(models).sort()).toEqual(before);
    expect(readdirSync(join(models, ".partial"))).toEqual([]);
  });
});
