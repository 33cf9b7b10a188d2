import { expect, test } from "bun:test";
import { existsSync, linkSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tryLock } from "../../src/models/pull/lock.ts";
import { copyDemo, DEMO, temporaryFolder } from "../support/demo.ts";
import { openTestLibrary } from "../support/library.ts";

const DAY = 86_400;
const { signal } = new AbortController();

/** A file of a size, last used some days ago. */
function file(path: string, bytes: number, days = 0): void {
  writeFileSync(path, new Uint8Array(bytes));
  const then = Date.now() / 1000 - days * DAY;
  utimesSync(path, then, then);
}

/** A lock as kill -9 leaves it. */
function leaveLock(path: string): void {
  const module = join(import.meta.dir, "..", "..", "src", "models", "pull", "lock.ts");
  const code = `const { tryLock } = await import(${JSON.stringify(module)});
    tryLock(${JSON.stringify(path)});
    process.kill(process.pid, "SIGKILL");`;
  Bun.spawnSync([process.execPath, "-e", code]);
  expect(existsSync(path)).toBe(true);
}

test("an empty store has nothing to prune", async () => {
  using folder = temporaryFolder();
  expect(await openTestLibrary(folder.path).library.prune(false, signal)).toEqual({ items: [], bytes: 0, kept: [] });
});

test("says what it would free, then frees that; what is in use stays", async () => {
  using folder = temporaryFolder();
  const { library, store, models, cache } = openTestLibrary(folder.path);
  copyDemo(models, "mine");
  const folders = {
    partial: join(models, ".partial"),
    blobs: join(models, ".blobs"),
    compiled: join(cache, "compiled"),
  };
  for (const path of Object.values(folders)) mkdirSync(path, { recursive: true });

  mkdirSync(join(folders.partial, "abandoned"));
  writeFileSync(join(folders.partial, "abandoned", "origin.json"), JSON.stringify({ repository: "a/b", commit: "c" }));
  file(join(folders.partial, "abandoned", "x.part"), 1000);
  leaveLock(join(folders.partial, "abandoned.lock"));
  mkdirSync(join(folders.partial, "running"));
  writeFileSync(join(folders.partial, "running", "origin.json"), JSON.stringify({ repository: "c/d", commit: "e" }));
  file(join(folders.partial, "running", "x.part"), 2000);
  using running = tryLock(join(folders.partial, "running.lock"));
  expect(running).toBeDefined();

  mkdirSync(join(models, ".previous"));
  const previous = copyDemo(join(models, ".previous"), "mine");
  linkSync(join(models, "mine", "config.json"), join(previous, "shared.json"));
  const previousBytes = readdirSync(DEMO).reduce((sum, name) => sum + statSync(join(DEMO, name)).size, 0);

  file(join(folders.blobs, "sha256-old"), 300, 1);
  file(join(folders.blobs, "upload-old"), 40, 1);
  file(join(folders.blobs, "sha256-fresh"), 5000);
  file(join(folders.blobs, "sha256-used"), 6000, 1);
  linkSync(join(folders.blobs, "sha256-used"), join(models, "mine", "of-a-blob"));

  file(join(folders.compiled, "old.blob"), 70, 31);
  file(join(folders.compiled, "recent.blob"), 80_000, 29);

  const would = await library.prune(true, signal);
  expect(existsSync(join(folders.partial, "abandoned"))).toBe(true);
  expect([...would.items].sort((a, b) => (a.what < b.what ? -1 : a.what > b.what ? 1 : a.bytes - b.bytes))).toEqual([
    { what: "blob", bytes: 40 },
    { what: "blob", bytes: 300 },
    { what: "compiled blob", bytes: 70 },
    { what: "partial download of a/b", bytes: 1000 + statSync(join(folders.partial, "abandoned", "origin.json")).size },
    { what: "previous revision of mine:latest", bytes: previousBytes },
  ]);
  expect(would.bytes).toBe(would.items.reduce((sum, { bytes }) => sum + bytes, 0));

  const kept = [
    { what: "partial download of c/d", bytes: 2000 + statSync(join(folders.partial, "running", "origin.json")).size },
    { what: "blob", bytes: 5000 },
  ];
  expect(would.kept).toEqual([
    { ...kept[0], why: "a process is at work on it" },
    { ...kept[1], why: "uploaded within the last hour: a model may be made of it yet" },
  ] as typeof would.kept);

  const left = new AbortController();
  left.abort(new Error("left"));
  await expect(library.prune(false, left.signal)).rejects.toThrow("left");
  expect(await library.prune(true, signal)).toEqual(would);
  expect(await library.prune(false, signal)).toEqual(would);
  expect(readdirSync(folders.partial).sort()).toEqual(["running", "running.lock"]);
  expect(existsSync(previous)).toBe(false);
  expect(readdirSync(folders.blobs).sort()).toEqual(["sha256-fresh", "sha256-used"]);
  expect(readdirSync(folders.compiled)).toEqual(["recent.blob"]);
  expect((await store.get("mine")).name).toBe("mine:latest");
  expect(await library.prune(false, signal)).toEqual({ items: [], bytes: 0, kept: would.kept });
});

test("what a crash left of a replacement is a model again, not pruned", async () => {
  using folder = temporaryFolder();
  const { library, store, models } = openTestLibrary(folder.path);
  mkdirSync(join(models, ".previous"));
  copyDemo(join(models, ".previous"), "mine");
  expect(await library.prune(false, signal)).toEqual({ items: [], bytes: 0, kept: [] });
  expect((await store.get("mine")).directory).toBe(join(models, "mine"));
});

test("a compiled model that no load used for 30 days goes, whatever its files say; what is in use stays", async () => {
  using folder = temporaryFolder();
  const { library, cache } = openTestLibrary(folder.path);
  const compiled = join(cache, "compiled");
  const shape = { maxPromptTokens: 1024, contextLength: 1279 };
  const device = { device: "NPU", architecture: "4000", driver: "1.2", emulated: false, openvino: "2026.4.0" };
  const keep = (key: string, days: number, blobDays: number): void => {
    mkdirSync(join(compiled, key), { recursive: true });
    file(join(compiled, key, "1.blob"), 1000, blobDays);
    const origin = { model: `${key}:latest`, digest: "d".repeat(64), ...device, ...shape };
    const note = join(compiled, key, "entry.json");
    writeFileSync(note, JSON.stringify({ origin, created: "2026-01-01T00:00:00.000Z", blobs: {} }));
    const then = Date.now() / 1000 - days * DAY;
    utimesSync(note, then, then);
  };
  keep("unused", 31, 0);
  keep("used", 29, 100);
  keep("loaded", 0, 100);
  mkdirSync(join(compiled, "damaged"));
  file(join(compiled, "damaged", "1.blob"), 50, 31);
  file(join(compiled, "damaged", "entry.json"), 0, 31);

  const would = await library.prune(true, signal);
  expect([...would.items].sort((a, b) => b.bytes - a.bytes)).toEqual([
    { what: "unused:latest compiled for NPU", bytes: 1000 },
    { what: "compiled blob", bytes: 50 },
  ]);
  expect(await library.prune(false, signal)).toEqual(would);
  expect(readdirSync(compiled).sort()).toEqual(["loaded", "used"]);
});
