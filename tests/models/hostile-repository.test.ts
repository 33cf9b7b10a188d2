/** Repositories with files that no model has, and hubs that lie about them. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { failure } from "../support/failure.ts";
import { demoRepository, filesOf } from "../support/hub.ts";
import { pullScene, textFile } from "../support/pull-scene.ts";

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
    using it = await pullScene();
    const entry = { type: "file" as const, path, size: 3, oid: "0".repeat(40) };
    it.hub.addRepository("test/evil", { ...demoRepository(), tree: (entries) => [...entries, entry] });
    expect(await failure(it.pull("test/evil"))).toMatchObject({ code: "hub_failed" });
    expect(readdirSync(it.models)).toEqual([]);
    expect(filesOf(it.folder)).toEqual({});
  });

for (const commit of ["../../../../tmp/evil", "0".repeat(39), "A".repeat(40)])
  test(`a commit ${JSON.stringify(commit)} is refused`, async () => {
    using it = await pullScene();
    it.hub.addRepository("test/evil", { ...demoRepository(), commit });
    expect(await failure(it.pull("test/evil"))).toMatchObject({ code: "hub_failed" });
    expect(readdirSync(it.models)).toEqual([]);
  });

test("a repository that brings our own manifest: it is not taken", async () => {
  using it = await pullScene();
  const recipe = textFile(JSON.stringify({ version: 1, name: "x", recipe: { parent: "y", system: "evil" } }));
  const files = { ...demoRepository().files, "NPU-Proxy.json": recipe };
  it.hub.addRepository("test/sly", { ...demoRepository(), files });
  await it.pull("test/sly");
  expect(it.files("test/sly").filter((name) => /npu-proxy/i.test(name))).toEqual(["npu-proxy.json"]);
  expect((await it.store.get("test/sly")).recipe).toBeUndefined();
});

test("a hidden file of a repository is not taken: the model would look changed by hand", async () => {
  using it = await pullScene();
  it.hub.addRepository("test/hidden", { files: { ...demoRepository().files, ".hidden.json": textFile("{}") } });
  await it.pull("test/hidden");
  const { directory, digest } = await it.store.get("test/hidden");
  expect(JSON.parse(readFileSync(join(directory, "npu-proxy.json"), "utf8"))).toMatchObject({ digest });
});
