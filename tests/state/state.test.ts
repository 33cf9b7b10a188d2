import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DeviceInfo } from "../../src/core/request.ts";
import { openState, type State } from "../../src/state/state.ts";
import { until } from "../support/daemon.ts";
import { temporaryFolder } from "../support/demo.ts";
import { RecordingObserver } from "../support/scripted-runtime.ts";

const ON_CPU = { digest: "ab".repeat(32), device: "CPU" };
const ON_NPU = { digest: "ab".repeat(32), device: "NPU" };
const SPEED = { promptTokensPerSecond: 812.5, tokensPerSecond: 21.25, samples: 3 };
const LOAD = { ms: 1234.5, memoryBytes: 5 * 2 ** 30 };
const CPU: DeviceInfo = { name: "CPU", fullName: "A processor", emulated: false };
const NPU: DeviceInfo = { name: "NPU", fullName: "Intel(R) AI Boost", emulated: false, driver: "1.19.0" };

interface Opening {
  readonly version?: string;
  readonly writeDelayMs?: number;
}

/** A state that `using` closes, with what it logs. */
function open(folder: string, { version = "1.0.0", ...delay }: Opening = {}) {
  const observer = new RecordingObserver();
  const state = openState({ folder, observer, version, ...delay });
  return { state, log: observer.entries, [Symbol.dispose]: () => state.close() };
}

/** What another process finds in the database. */
function rows(folder: string): unknown[] {
  using database = new Database(join(folder, "state.db"), { readonly: true });
  return database.query("SELECT digest, device, samples, unfit FROM pairings ORDER BY device").all();
}

function write(state: State): void {
  state.keepSpeed(ON_CPU, SPEED);
  state.keepLoad(ON_CPU, LOAD);
  state.markUnfit(ON_NPU, "it answers with NaN");
}

describe("records", () => {
  test("are there at once, and after the next start; those of other pairings are not", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "deep", "state");
    for (const start of [1, 2]) {
      using opened = open(path);
      if (start === 1) write(opened.state);
      expect(opened.state.speed(ON_CPU)).toEqual(SPEED);
      expect(opened.state.lastLoad(ON_CPU)).toEqual(LOAD);
      expect(opened.state.unfit(ON_NPU)).toBe("it answers with NaN");
      expect(opened.state.speed(ON_NPU)).toBeUndefined();
      expect(opened.state.lastLoad(ON_NPU)).toBeUndefined();
      expect(opened.state.unfit(ON_CPU)).toBeUndefined();
      expect(opened.log).toEqual([]);
    }
  });

  test("the last of many changes is what is kept", () => {
    using folder = temporaryFolder();
    for (const start of [1, 2]) {
      using opened = open(folder.path);
      if (start === 1)
        for (let samples = 1; samples <= 1000; samples++) opened.state.keepSpeed(ON_CPU, { ...SPEED, samples });
      expect(opened.state.speed(ON_CPU)?.samples).toBe(1000);
    }
  });

  test("are written while the server runs, not at each change", async () => {
    using folder = temporaryFolder();
    using opened = open(folder.path, { writeDelayMs: 20 });
    write(opened.state);
    expect(rows(folder.path)).toEqual([]);
    await until(() => rows(folder.path).length === 2);
    expect(rows(folder.path)).toEqual([
      { ...ON_CPU, samples: 3, unfit: null },
      { ...ON_NPU, samples: null, unfit: "it answers with NaN" },
    ]);
    opened.state.keepSpeed(ON_NPU, { ...SPEED, samples: 7 });
    await until(() => (rows(folder.path)[1] as { samples: number }).samples === 7);
  });

  test("a verdict can be forgotten, of one device or of all, without what was measured", () => {
    using folder = temporaryFolder();
    for (const start of [1, 2]) {
      using opened = open(folder.path);
      const { state } = opened;
      if (start === 1) {
        write(state);
        state.markUnfit(ON_CPU, "wrong, too");
        state.forgetUnfit("NPU");
      }
      expect(state.unfit(ON_NPU)).toBeUndefined();
      if (start === 1) expect(state.unfit(ON_CPU)).toBe("wrong, too");
      state.forgetUnfit();
      expect(state.unfit(ON_CPU)).toBeUndefined();
      expect(state.speed(ON_CPU)).toEqual(SPEED);
    }
    expect(rows(folder.path)).toEqual([{ ...ON_CPU, samples: 3, unfit: null }]);
  });
});

describe("devices", () => {
  test.each([
    ["another driver", { driver: "1.20.0" }, "1.0.0"],
    ["an emulated one in its place", { emulated: true }, "1.0.0"],
    ["other hardware", { fullName: "Intel(R) AI Boost 5" }, "1.0.0"],
    ["another npu-proxy", {}, "2.0.0"],
  ])("%s: what is known of that device is forgotten, for good", (_, changed, version) => {
    using folder = temporaryFolder();
    const npu = { ...NPU, ...changed };
    for (const [start, found] of [[NPU], [npu], [npu]].entries()) {
      using opened = open(folder.path, start === 0 ? {} : { version });
      opened.state.found([...found, { ...CPU, fullName: start === 2 ? "A new processor" : CPU.fullName }]);
      if (start === 0) {
        write(opened.state);
        opened.state.keepSpeed(ON_NPU, SPEED);
      }
      expect(opened.state.unfit(ON_NPU)).toBe(start === 0 ? "it answers with NaN" : undefined);
      expect(opened.state.speed(ON_NPU)).toEqual(start === 0 ? SPEED : undefined);
      const sameCpu = start === 0 || (start === 1 && version === "1.0.0");
      expect(opened.state.speed(ON_CPU)).toEqual(sameCpu ? SPEED : undefined);
    }
  });

  test("the same ones again, or one that is gone for a while: nothing is forgotten", () => {
    using folder = temporaryFolder();
    for (const found of [[NPU, CPU], [CPU], [NPU, { ...CPU, temperature: 60 }]]) {
      using opened = open(folder.path);
      opened.state.found(found);
      if (found[0] === NPU && found[1] === CPU) write(opened.state);
      expect(opened.state.unfit(ON_NPU)).toBe("it answers with NaN");
      expect(opened.state.speed(ON_CPU)).toEqual(SPEED);
    }
  });
});

describe("a database that cannot be read", () => {
  test.each([
    ["is no database", (path: string) => writeFileSync(path, "x".repeat(5000))],
    ["has other tables", (path: string) => sql(path, "CREATE TABLE pairings (a); PRAGMA user_version = 1")],
    ["is a folder", (path: string) => mkdirSync(path)],
    [
      "was damaged",
      (path: string) => {
        const size = readFileSync(path).length;
        writeFileSync(path, Buffer.concat([readFileSync(path).subarray(0, 100), Buffer.alloc(size - 100, 0xa5)]));
      },
    ],
  ])("one that %s is set aside, and a fresh one begun", (what, damage) => {
    using folder = temporaryFolder();
    const path = join(folder.path, "state.db");
    if (what === "was damaged") {
      using before = open(folder.path);
      write(before.state);
    }
    damage(path);
    for (const start of [1, 2]) {
      using opened = open(folder.path);
      expect(opened.log.map(({ level, message }) => [level, message])).toEqual(
        start === 1 ? [["warn", "state set aside as state.db.corrupt: speeds are measured anew"]] : [],
      );
      if (start === 1) {
        expect(opened.state.speed(ON_CPU)).toBeUndefined();
        write(opened.state);
      }
      expect(opened.state.speed(ON_CPU)).toEqual(SPEED);
    }
    expect(existsSync(`${path}.corrupt`)).toBe(true);
  });

  test("one of a newer version is left as it is; this one remembers in memory alone", () => {
    using folder = temporaryFolder();
    sql(join(folder.path, "state.db"), "CREATE TABLE more (a); INSERT INTO more VALUES (1); PRAGMA user_version = 99");
    {
      using opened = open(folder.path);
      expect(opened.log).toMatchObject([
        { level: "warn", fields: { reason: expect.stringContaining("newer version") } },
      ]);
      write(opened.state);
      expect(opened.state.speed(ON_CPU)).toEqual(SPEED);
    }
    using database = new Database(join(folder.path, "state.db"), { readonly: true });
    expect(database.query("SELECT a FROM more").all()).toEqual([{ a: 1 }]);
  });

  test("a folder that cannot be made: a warning without its path, and records in memory", () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "file"), "");
    using opened = open(join(folder.path, "file", "state"));
    write(opened.state);
    expect(opened.state.speed(ON_CPU)).toEqual(SPEED);
    expect(opened.log).toMatchObject([{ level: "warn", message: expect.stringContaining("NPU_PROXY_STATE_DIR") }]);
    expect(JSON.stringify(opened.log)).not.toContain(folder.path);
  });
});

test("what cannot be written is told once, stays in memory, and is written when it can be", async () => {
  using folder = temporaryFolder();
  const opened = open(folder.path, { writeDelayMs: 1 });
  const other = new Database(join(folder.path, "state.db"));
  other.run("BEGIN IMMEDIATE");
  write(opened.state);
  await until(() => opened.log.length > 0);
  opened.state.keepSpeed(ON_NPU, SPEED);
  await Bun.sleep(2); // its timer comes after that of the second attempt, which fails as well
  expect(opened.log).toMatchObject([{ level: "warn", message: expect.stringContaining("state not written") }]);
  expect(rows(folder.path)).toEqual([]);
  expect(opened.state.speed(ON_CPU)).toEqual(SPEED);
  other.run("ROLLBACK");
  other.close();
  opened.state.keepSpeed(ON_CPU, { ...SPEED, samples: 4 });
  await until(() => rows(folder.path).length === 2);
  expect(rows(folder.path)).toMatchObject([{ samples: 4 }, { samples: 3, unfit: "it answers with NaN" }]);
  opened.state.close();
  expect(opened.log).toHaveLength(1);
});

function sql(path: string, text: string): void {
  using database = new Database(path, { create: true });
  database.run(text);
}
