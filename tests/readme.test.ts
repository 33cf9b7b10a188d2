import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { settingsTable } from "../src/config.ts";

const README = readFileSync(join(import.meta.dir, "..", "README.md"), "utf8");

test("the README's table of settings is the program's own", () => {
  expect(/<!-- settings -->\n(.*)\n<!-- \/settings -->/s.exec(README)?.[1]).toBe(settingsTable());
});

test("every file that the README names exists", async () => {
  const named = [...README.matchAll(/`((?:src|tests|build|\.ci)\/[\w./-]+)`/g)].map(([, path]) => path ?? "");
  expect(named.length).toBeGreaterThan(10);
  const { existsSync } = await import("node:fs");
  expect(named.filter((path) => !existsSync(join(import.meta.dir, "..", path)))).toEqual(
    // made by the build, not part of the checkout
    named.filter((path) => path.startsWith("build/out")),
  );
});
