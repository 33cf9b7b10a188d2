import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { copyDemo, temporaryFolder } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { openTestLibrary } from "../support/library.ts";
import { pullScene } from "../support/pull-scene.ts";

const { signal } = new AbortController();

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
  expect(await failure(library.copy("gone", "x", signal))).toMatchObject({ code: "model_not_found" });
});

test("removing takes the previous revision along", async () => {
  using it = await pullScene();
  await it.pull("test/demo");
  it.publish('{"temperature":1}');
  await it.pull("test/demo");
  expect(existsSync(join(it.models, ".previous", "test", "demo"))).toBe(true);
  await it.library.remove("test/demo", signal);
  expect(await failure(it.store.get("test/demo"))).toMatchObject({ code: "model_not_found" });
  expect(it.partial()).toEqual([]);
});

test("what came with the program or lies in the system's store stays; a model of the user's may hide it", async () => {
  using folder = temporaryFolder();
  const system = join(folder.path, "system");
  mkdirSync(system);
  copyDemo(system, "shared");
  const { library, store } = openTestLibrary(folder.path, { system });
  for (const name of ["demo", "shared"])
    expect(await failure(library.remove(name, signal))).toMatchObject({ code: "model_read_only" });
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
  const refused = await failure(library.copy("demo", "x", signal));
  expect(refused).toMatchObject({ code: "storage_failed", message: expect.stringContaining("NPU_PROXY_MODEL_PATH") });
  expect(String(refused)).not.toContain(folder.path);
});

describe("who leaves", () => {
  const left = new AbortController();
  const reason = new Error("left");
  left.abort(reason);
  const thrown = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

  test("gets no copy made and nothing removed", async () => {
    using folder = temporaryFolder();
    const { library, store, models } = openTestLibrary(folder.path);
    copyDemo(models, "mine");
    expect(await thrown(library.copy("mine", "other", left.signal))).toBe(reason);
    expect(await thrown(library.remove("mine", left.signal))).toBe(reason);
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
    const partial = join(models, ".partial");
    let settled = false;
    const importing = thrown(library.import(large, {}, leaving.signal)).finally(() => {
      settled = true;
    });
    // Blocks, not sizes: of a file with holes a clone has none either, and is there at once.
    let written = 0;
    while (!settled) {
      for (const name of existsSync(partial) ? readdirSync(partial) : []) {
        if (name.endsWith(".lock")) continue;
        const file = statSync(join(partial, name, "openvino_model.bin"), { throwIfNoEntry: false });
        written = Math.max(written, (file?.blocks ?? 0) * 512);
        if (file && file.size > 0) leaving.abort(reason);
      }
      await Bun.sleep(0);
    }
    expect(await importing).toBe(reason);
    expect(written).toBeLessThan(size);
    expect(readdirSync(partial)).toEqual([]);
  });
});
