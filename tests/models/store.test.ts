import { describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createModelStore } from "../../src/models/store.ts";
import { copyDemo, DEMO, temporaryFolder } from "../support/demo.ts";

const store = (folder: string) =>
  createModelStore({ directories: [folder], configDirectory: folder, builtin: async () => ({ demo: DEMO }) });

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
      expect(store(folder.path).get(name)).rejects.toMatchObject({
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
    expect(models.get("demo")).rejects.toMatchObject({ code: "model_not_found" });
    write({ demo: { prompt_lokup: true } });
    expect(models.get("demo")).rejects.toMatchObject({
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
});
