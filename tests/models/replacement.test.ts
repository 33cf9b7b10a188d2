/** A newer revision takes the place of a model: what is there meanwhile, and what stays of the old one. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Observer } from "../../src/core/ports.ts";
import { replaceFolder } from "../../src/models/store/folders.ts";
import { copyDemo, temporaryFolder } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { openTestStore, recordManifest } from "../support/model-store.ts";

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

test("a crash between the two renames of a replacement is healed by whoever looks next", async () => {
  using folder = temporaryFolder();
  copyDemo(folder.path, "Mine");
  mkdirSync(join(folder.path, ".previous"));
  renameSync(join(folder.path, "Mine"), join(folder.path, ".previous", "Mine"));
  expect((await openTestStore(folder.path).get("mine")).directory).toBe(join(folder.path, "Mine"));
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
    expect(await failure(replaceFolder(folder.path, name, staged("other")))).toMatchObject({
      code: "invalid_request",
    });
    rmSync(join(folder.path, ".partial", "other"), { recursive: true });
  }
  expect((await openTestStore(folder.path).get("org/one")).name).toBe("Org/One:latest");
});

test("two that replace one model at once both end, and one of them is there", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, ".partial"));
  const staged = ["a", "b", "c", "d"].map((name) => copyDemo(join(folder.path, ".partial"), name));
  const models = openTestStore(folder.path);
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
  const models = openTestStore(folder.path, { observer: log });
  await recordManifest(copyDemo(folder.path, "mine"));
  const old = await models.get("mine");
  mkdirSync(join(folder.path, ".partial"));
  const staged = copyDemo(join(folder.path, ".partial"), "staged");
  writeFileSync(join(staged, "generation_config.json"), '{"temperature":0.1}');
  await recordManifest(staged);
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
