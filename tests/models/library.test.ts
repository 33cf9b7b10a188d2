import { expect, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { copyDemo, temporaryFolder } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { openTestLibrary } from "../support/library.ts";
import { pullScene } from "../support/pull-scene.ts";

const { signal } = new AbortController();

test("a pull ends in a model that knows where it came from; another word with the hub is not needed", async () => {
  using it = await pullScene();
  const commit = it.publish("{}");
  const events = await it.pull("test/demo");
  expect(events.at(-1)).toMatchObject({ type: "done", model: "test/demo:latest", unchanged: false });
  const model = await it.store.get("test/demo");
  expect(model.source).toEqual({ hub: new URL(it.hub.url).host, repository: "test/demo", revision: "main", commit });
  expect(model.pulledAt).toBeDate();
  expect(await Array.fromAsync(it.library.verify(undefined, false, signal))).toContainEqual({
    model: "test/demo:latest",
    broken: [],
    repaired: false,
  });
  expect(it.partial()).toEqual([]);
});

test("a newer revision keeps the old one until it has answered; rollback goes back and forth", async () => {
  using it = await pullScene();
  const first = it.publish("{}");
  await it.pull("test/demo");
  expect(await failure(it.library.rollback("test/demo"))).toMatchObject({ code: "invalid_request" });
  const old = await it.store.get("test/demo");
  const second = it.publish('{"temperature":0.125}');
  await it.pull("test/demo");
  expect((await it.store.get("test/demo")).defaults.temperature).toBe(0.125);
  expect(await it.library.rollback("TEST/demo")).toEqual({ model: "test/demo:latest", commit: first });
  expect(await it.store.get("test/demo")).toMatchObject({ digest: old.digest, source: { commit: first } });
  expect(await it.library.rollback("test/demo")).toEqual({ model: "test/demo:latest", commit: second });
});

test("what the hub tells of a model that was not pulled", async () => {
  using it = await pullScene();
  const commit = it.publish('{"temperature":0.5}');
  expect(await it.library.describe("test/demo", signal)).toMatchObject({
    name: "test/demo:latest",
    family: "llama",
    format: "openvino",
    license: "mit",
    defaults: { temperature: 0.5 },
    source: { repository: "test/demo", commit },
  });
  expect(await failure(it.library.describe("tinylama", signal))).toMatchObject({
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

test("a name that clashes with what is in the store is refused before anything is asked of the hub", async () => {
  using it = await pullScene();
  copyDemo(it.models, "test");
  expect(await failure(it.pull("test/demo"))).toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining("its first part is a model's own name"),
  });
  mkdirSync(join(it.models, "tinyllama"));
  copyDemo(join(it.models, "tinyllama"), "other");
  expect(await failure(it.pull("tinyllama"))).toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining("models of an organisation of this name are in the store"),
  });
  expect(it.hub.requests).toEqual([]);
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
    () => Array.fromAsync(library.pull({ name: "tinyllama" }, signal)),
    () => store.get("tinyllama"),
  ])
    expect(await failure(asked())).toMatchObject(broken);
});
