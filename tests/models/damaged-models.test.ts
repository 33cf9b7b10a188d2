/** Folders of the store that cannot be read, and what the store says of them. */
import { expect, test } from "bun:test";
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { copyDemo, DEMO, temporaryFolder } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { openTestStore } from "../support/model-store.ts";

test("a damaged model is told apart from the others, and logged once as long as it stays the same", async () => {
  using folder = temporaryFolder();
  const broken = copyDemo(folder.path, "broken");
  rmSync(join(broken, "config.json"));
  const lines: unknown[] = [];
  const models = openTestStore(folder.path, { observer: { log: (...line) => void lines.push(line) } });
  for (const _ of [1, 2]) expect((await models.list()).map(({ name }) => name)).toEqual(["demo:latest"]);
  const reason = "it has no config.json.";
  const inventory = await models.inventory();
  expect(inventory.models.map(({ name }) => name)).toEqual(["demo:latest"]);
  const [told, ...more] = inventory.damaged;
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
  expect((await models.inventory()).damaged).toEqual([]);
  expect(lines).toHaveLength(2);
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
    const models = openTestStore(folder.path);
    const refused = await failure(models.get("broken"));
    expect(refused).toMatchObject({ code: "model_invalid", message: expect.stringMatching(says) });
    expect(String(refused)).not.toContain(folder.path);
    expect((await models.list()).map(({ name }) => name)).toEqual(["demo:latest"]);
  });
