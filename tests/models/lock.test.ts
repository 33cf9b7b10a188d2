import { describe, expect, test } from "bun:test";
import { existsSync, lstatSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { acquireLock, tryLock } from "../../src/models/pull/lock.ts";
import { until } from "../support/daemon.ts";
import { temporaryFolder } from "../support/demo.ts";

const MODULE = join(import.meta.dir, "..", "..", "src", "models", "pull", "lock.ts");
const never = new AbortController().signal;

/** A process that takes the lock, says so, and keeps it until it is killed or its input ends. */
async function holder(path: string) {
  const child = Bun.spawn(
    [
      process.execPath,
      "-e",
      `const { acquireLock } = await import(${JSON.stringify(MODULE)});
       const lock = await acquireLock(${JSON.stringify(path)}, new AbortController().signal);
       console.log("held");
       for await (const _ of Bun.stdin.stream());
       lock[Symbol.dispose]();`,
    ],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  for await (const _ of child.stdout) break;
  return child;
}

describe("lock", () => {
  test("one holder at a time; released, it leaves nothing", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "deep", "x.lock");
    const lock = tryLock(path);
    expect(lock).toBeDefined();
    expect(tryLock(path)).toBeUndefined();
    lock?.[Symbol.dispose]();
    expect(existsSync(path)).toBe(false);
    using again = tryLock(path);
    expect(again).toBeDefined();
  });

  test("who waits is told once, gets it when the other process ends well, and can give up", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "x.lock");
    const child = await holder(path);
    const leaving = new AbortController();
    const gaveUp = acquireLock(path, leaving.signal, () => leaving.abort());
    expect(gaveUp).rejects.toMatchObject({ name: "AbortError" });
    let waits = 0;
    const waiting = acquireLock(path, never, () => waits++);
    await until(() => waits > 0);
    await child.stdin.end();
    using lock = await waiting;
    expect(lock).toBeDefined();
    expect(waits).toBe(1);
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ pid: process.pid });
    expect(await child.exited).toBe(0);
  });

  test("a lock of a process that was killed is free", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "x.lock");
    const child = await holder(path);
    expect(tryLock(path)).toBeUndefined();
    child.kill("SIGKILL");
    await child.exited;
    using lock = tryLock(path);
    expect(lock).toBeDefined();
    expect(existsSync(`${path}.break`)).toBe(false);
  });

  test("of many that find a dead owner's lock, one gets it", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "x.lock");
    const dead = await holder(path);
    dead.kill("SIGKILL");
    await dead.exited;
    const heirs = Array.from({ length: 6 }, () =>
      Bun.spawn(
        [
          process.execPath,
          "-e",
          `const { tryLock } = await import(${JSON.stringify(MODULE)});
           let mine;
           for await (const _ of Bun.stdin.stream())
             console.log((mine = tryLock(${JSON.stringify(path)})) ? "mine" : "taken");`,
        ],
        { stdio: ["pipe", "pipe", "inherit"] },
      ),
    );
    for (const { stdin } of heirs) {
      await stdin.write("go\n");
      await stdin.flush();
    }
    const said = await Promise.all(
      heirs.map(async ({ stdout }) => {
        for await (const chunk of stdout) return new TextDecoder().decode(chunk).trim();
      }),
    );
    expect(said.filter((word) => word === "mine")).toHaveLength(1);
    for (const heir of heirs) {
      heir.kill("SIGKILL");
      await heir.exited;
    }
  });

  test.skipIf(process.platform === "win32")(
    "what is there for who makes it and gone for who reads it is not removed",
    () => {
      using folder = temporaryFolder();
      const path = join(folder.path, "x.lock");
      // Stands in for a lock that is released between the two: by the time of a removal another owner's may lie there.
      symlinkSync(join(folder.path, "nothing"), path);
      expect(tryLock(path)).toBeUndefined();
      expect(lstatSync(path).isSymbolicLink()).toBe(true);
    },
  );

  const mine = (folder: string): Record<string, unknown> => {
    const path = join(folder, "sample.lock");
    using _lock = tryLock(path);
    return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  };
  const cases: [what: string, change: Record<string, unknown>, free: boolean][] = [
    ["of this process", {}, false],
    ["of another start of the machine", { boot: "00000000-0000-0000-0000-000000000000" }, true],
    ["of an earlier process with this id", { started: "1" }, true],
    ["of another machine", { host: `not-${hostname()}`, pid: 1 }, false],
    ["of nobody readable", { pid: "x" }, false],
  ];
  for (const [what, change, free] of cases)
    test.skipIf(process.platform !== "linux" && "started" in change)(
      `a lock ${what} is ${free ? "free" : "kept"}`,
      () => {
        using folder = temporaryFolder();
        const path = join(folder.path, "x.lock");
        writeFileSync(path, JSON.stringify({ ...mine(folder.path), ...change }));
        using lock = tryLock(path);
        expect(lock !== undefined).toBe(free);
      },
    );

  test("an owner that cannot be looked at is given up when its file falls silent, and not its successor's", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "x.lock");
    writeFileSync(path, JSON.stringify({ ...mine(folder.path), host: "elsewhere" }));
    const lock = tryLock(path, true);
    expect(lock).toBeDefined();
    const theirs = JSON.stringify({ ...mine(folder.path), host: "elsewhere, again" });
    writeFileSync(path, theirs);
    lock?.[Symbol.dispose]();
    expect(readFileSync(path, "utf8")).toBe(theirs);
  });
});
