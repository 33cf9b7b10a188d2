import { expect, test } from "bun:test";
import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MANIFEST } from "../../src/models/store/manifest.ts";
import { copyDemo, temporaryFolder } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { openTestStore, recordManifest } from "../support/model-store.ts";

test("a manifest's origin, recipe and digest are the model's; files changed by hand have another digest", async () => {
  using folder = temporaryFolder();
  const directory = copyDemo(folder.path, "mine");
  const source = { hub: "hub.example", repository: "a/b", revision: "main", commit: "0".repeat(40) };
  const recipe = { parent: "demo:latest", system: "Be brief.", parameters: { temperature: 0.3, stop: ["END"] } };
  const pulledAt = "2026-01-02T03:04:05.000Z";
  const manifest = await recordManifest(directory, { source, recipe, pulledAt, license: "mit" });
  const models = openTestStore(folder.path);
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
  const refused = await failure(openTestStore(folder.path).get("mine"));
  expect(refused).toMatchObject({ code: "model_invalid", message: expect.stringContaining(MANIFEST) });
  expect(String(refused)).not.toContain(folder.path);
});
