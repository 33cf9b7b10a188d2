/** Pulls of one model at once and one after the other: no byte is fetched twice. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/daemon.ts";
import { DEMO } from "../support/demo.ts";
import { demoRepository, filesOf } from "../support/hub.ts";
import { pullScene } from "../support/pull-scene.ts";

const BIN = "openvino_model.bin";

test("two pulls in one process are one, and both hear of it; the first may leave", async () => {
  using it = await pullScene();
  it.hub.fault({ path: BIN, times: 1 }, { slow: 4_000_000 });
  const leaving = new AbortController();
  const left = it.pull("test/demo", { signal: leaving.signal }).catch((error: unknown) => error);
  await until(() => it.sent(BIN) > 0);
  const both = [it.pull("test/demo"), it.pull("Test/Demo:latest")];
  leaving.abort();
  expect(await left).toMatchObject({ name: "AbortError" });
  for (const events of await Promise.all(both)) {
    expect(events[0]).toEqual({ type: "resolving" });
    expect(events.at(-1)).toMatchObject({ type: "done", unchanged: false });
  }
  expect(it.sent(BIN)).toBe(statSync(join(DEMO, BIN)).size);
});

test("the last one that leaves stops it; the next one goes on from there", async () => {
  using it = await pullScene();
  it.hub.fault({ path: BIN, times: 1 }, { stall: true });
  const leaving = new AbortController();
  const left = it.pull("test/demo", { signal: leaving.signal }).catch((error: unknown) => error);
  const half = statSync(join(DEMO, BIN)).size >> 1;
  const written = (): readonly number[] =>
    it
      .partial()
      .filter((key) => !key.endsWith(".lock"))
      .flatMap((key) => Object.values(filesOf(join(it.models, ".partial", key))))
      .map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  await until(() => written().includes(half));
  leaving.abort();
  expect(await left).toMatchObject({ name: "AbortError" });
  expect(existsSync(join(it.models, "test"))).toBe(false);
  await it.pull("test/demo");
  expect(it.sent(BIN)).toBe(statSync(join(DEMO, BIN)).size);
  expect(it.partial()).toEqual([]);
});

test("two stores' owners on one folder: one download, the other waits and finds it done", async () => {
  using it = await pullScene();
  it.hub.fault({ path: BIN, times: 1 }, { slow: 4_000_000 });
  const first = it.pull("test/demo");
  await until(() => it.sent(BIN) > 0);
  const second = await it.pull("test/demo", { from: it.open().library });
  expect(second.find(({ type }) => type === "retry")).toMatchObject({
    file: "",
    reason: expect.stringContaining("another npu-proxy"),
  });
  expect(second.at(-1)).toMatchObject({ type: "done", model: "test/demo:latest" });
  expect((await first).at(-1)).toMatchObject({ type: "done", unchanged: false });
  expect(it.sent(BIN)).toBe(statSync(join(DEMO, BIN)).size);
});

test("files of another model in the store are linked, not fetched; a damaged one is not believed", async () => {
  using it = await pullScene();
  await it.pull("test/demo");
  it.hub.addRepository("other/copy", demoRepository());
  await it.pull("other/copy");
  expect(
    it.hub.requests.some(({ path, bytes }) => path.includes("other/copy") && path.includes(BIN) && bytes > 0),
  ).toBe(false);
  expect(statSync(join(it.models, "other/copy", BIN)).ino).toBe(statSync(join(it.models, "test/demo", BIN)).ino);

  const damaged = readFileSync(join(DEMO, BIN)).fill(0, 0, 9);
  await it.library.remove("other/copy", new AbortController().signal);
  writeFileSync(join(it.models, "test/demo", BIN), damaged);
  await it.pull("other/copy");
  expect(readFileSync(join(it.models, "other/copy", BIN)).equals(readFileSync(join(DEMO, BIN)))).toBe(true);
  expect(readFileSync(join(it.models, "test/demo", BIN)).equals(damaged)).toBe(true);
});
