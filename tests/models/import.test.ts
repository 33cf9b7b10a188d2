import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { copyDemo, DEMO, temporaryFolder } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { openTestLibrary } from "../support/library.ts";

const { signal } = new AbortController();

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
  const refused = await failure(library.import(from, {}, signal));
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
    expect(await failure(library.import(join(folder.path, name), { name: "x" }, signal))).toMatchObject({ code });
  expect(readdirSync(models)).toEqual([".partial"]);
  expect(readdirSync(join(models, ".partial"))).toEqual([]);
});

test("an import that is given up leaves nothing", async () => {
  using folder = temporaryFolder();
  const { library, models } = openTestLibrary(folder.path);
  const from = copyDemo(folder.path, "mine");
  await expect(library.import(from, {}, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
  expect(readdirSync(join(models, ".partial"))).toEqual([]);
  expect(readFileSync(join(from, "config.json"), "utf8")).toBe(readFileSync(join(DEMO, "config.json"), "utf8"));
});
