import { describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lockFolder } from "../../src/state/lock.ts";
import { temporaryFolder } from "../support/demo.ts";

const MODULE = join(import.meta.dir, "..", "..", "src", "state", "lock.ts");

/** A process that takes the lock and keeps it until it is killed or its input ends; `held`: it got it. */
async function holder(folder: string) {
  const child = Bun.spawn(
    [
      process.execPath,
      "-e",
      `const { lockFolder } = await import(${JSON.stringify(MODULE)});
       try {
         using lock = lockFolder(${JSON.stringify(folder)});
         console.log("held");
         for await (const _ of Bun.stdin.stream());
       } catch (error) { console.log(error.code); }`,
    ],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const { value } = await child.stdout.getReader().read();
  return { child, said: new TextDecoder().decode(value).trim() };
}

const locked = expect.objectContaining({ code: "state_locked", message: expect.stringContaining("--no-state") });

describe("the lock of a state folder", () => {
  test("has one holder, in this process and in others; released, the next one has it", async () => {
    using folder = temporaryFolder();
    {
      using _ = lockFolder(folder.path);
      expect(() => lockFolder(folder.path)).toThrow(locked);
      expect((await holder(folder.path)).said).toBe("state_locked");
    }
    const { child, said } = await holder(folder.path);
    expect(said).toBe("held");
    expect(() => lockFolder(folder.path)).toThrow(locked);
    await child.stdin.end();
    expect(await child.exited).toBe(0);
    using _ = lockFolder(folder.path);
  });

  test("kill -9 frees it and leaves nothing to clear away", async () => {
    using folder = temporaryFolder();
    const { child, said } = await holder(folder.path);
    expect(said).toBe("held");
    child.kill("SIGKILL");
    await child.exited;
    using _ = lockFolder(folder.path);
    expect(readdirSync(folder.path)).toEqual(["server.lock"]);
  });

  test("of several that start at once exactly one gets it", async () => {
    for (let round = 0; round < 4; round++) {
      using folder = temporaryFolder();
      const holders = await Promise.all(Array.from({ length: 6 }, () => holder(folder.path)));
      expect(holders.map(({ said }) => said).sort()).toEqual(["held", ...Array<string>(5).fill("state_locked")]);
      for (const { child } of holders) child.kill("SIGKILL");
      await Promise.all(holders.map(({ child }) => child.exited));
    }
  }, 60_000);

  test("a lock file with something in it is emptied, not in the way", () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "server.lock"), "x".repeat(5000));
    using _ = lockFolder(folder.path);
    expect(() => lockFolder(folder.path)).toThrow(locked);
  });
});
