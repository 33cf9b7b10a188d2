import { describe, expect, test } from "bun:test";
import { dirname, join, normalize } from "node:path";
import { Glob } from "bun";

const root = join(import.meta.dir, "..");

/** Who may import whom: a folder of src, or a file right in src, to the same. Each may import itself. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  core: [],
  models: ["core"],
  native: ["core"],
  runner: ["core", "native"],
  server: ["core"],
  state: ["core"],
  cli: ["core", "models", "native", "runner", "server", "state", "config.ts", "log.ts", "metrics.ts", "version.ts"],
  "main.ts": ["cli", "config.ts", "log.ts", "version.ts"],
  "config.ts": ["core", "log.ts", "setting-values.ts", "version.ts"],
  "setting-values.ts": [],
  "log.ts": ["core"],
  "metrics.ts": ["core"],
  "version.ts": [],
};

/** Packages that belong to one layer. */
const packageOwners: Readonly<Record<string, string>> = { hono: "server", commander: "cli" };

/** Everything in `source` (of `path`, relative to the project, such as "src/core/stops.ts") that breaks the rule. */
function violations(path: string, source: string): string[] {
  // Comments alone: a string such as "a/**/b" must not swallow the code behind it.
  const code = source.replace(/^\s*\/\*[\s\S]*?\*\//gm, "").replace(/(^|\s)\/\/.*$/gm, "");
  const layer = layerOf(path);
  const found: string[] = [];
  const permitted = allowed[layer];
  if (permitted === undefined) return [`${path}: ${layer} is no known layer of src`];
  for (const specifier of importsOf(code)) {
    if (specifier.startsWith(".")) {
      const target = normalize(join(dirname(path), specifier));
      if (target.startsWith("src/")) {
        const other = layerOf(target);
        if (other !== layer && !permitted.includes(other))
          found.push(`${path}: ${layer} may not import ${other} (${specifier})`);
      } else if (!target.endsWith(".json") || layer === "core")
        found.push(`${path}: may not import ${target} from outside src`);
      if (!/\.(ts|json)$/.test(specifier)) found.push(`${path}: ${specifier} has no .ts extension`);
    } else {
      const owner = packageOwners[specifier.split("/")[0] ?? ""];
      if (layer === "core") found.push(`${path}: core may not import ${specifier}`);
      else if (owner !== undefined && owner !== layer) found.push(`${path}: only ${owner} may import ${specifier}`);
    }
  }
  if (layer === "core")
    for (const [, name] of code.matchAll(
      /\b(process|Bun|setTimeout|setInterval|setImmediate|Date\.now|performance\.now)\b/g,
    ))
      found.push(`${path}: core may not use ${name}`);
  if (layer !== "config.ts" && readsEnvironment(code)) found.push(`${path}: only config.ts may read the environment`);
  if (layer !== "main.ts" && /\bprocess\s*(\?\.|\.)\s*exit\b|\bprocess\[["']exit["']\]/.test(code))
    found.push(`${path}: only main.ts may call process.exit`);
  return found;
}

function readsEnvironment(code: string): boolean {
  const direct = /\b(process|Bun|import\.meta)\s*(\?\.|\.)\s*env\b|\b(process|Bun)\[["']env["']\]/;
  const taken = /\{[^}]*\benv\b[^}]*\}\s*(=\s*(process|Bun)\b|from\s*["'](node:)?process["'])/;
  return direct.test(code) || taken.test(code);
}

function importsOf(code: string): string[] {
  const statements = code.matchAll(/(?<!["'`])\b(?:from|import|require)\s*\(?\s*["'`]([^"'`\n]+)["'`]/g);
  return [...statements].map(([, specifier = ""]) => specifier);
}

/** "src/core/stops.ts" -> "core"; "src/main.ts" -> "main.ts". */
function layerOf(path: string): string {
  return path.split("/")[1] ?? "";
}

describe("the import rule", () => {
  test("every file of src keeps it", async () => {
    const files = await Array.fromAsync(new Glob("src/**/*.ts").scan({ cwd: root }));
    const found = await Promise.all(
      files.map(async (path) => violations(path, await Bun.file(join(root, path)).text())),
    );
    expect(files.length).toBeGreaterThan(5);
    expect(found.flat()).toEqual([]);
  });

  test.each([
    ["src/core/routing/router.ts", 'import { open } from "../../models/store/store.ts";'],
    ["src/core/routing/router.ts", 'import type { Context } from "hono";'],
    ["src/core/routing/router.ts", 'import { readFile } from "node:fs/promises";'],
    ["src/core/routing/router.ts", 'const fs = await import("node:fs");'],
    ["src/core/routing/router.ts", "setTimeout(() => {}, 1);"],
    ["src/core/routing/router.ts", 'import pins from "../../../build/pins.json";'],
    ["src/models/store/store.ts", 'import { host } from "../../runner/host.ts";'],
    ["src/native/engine.ts", 'export { app } from "../server/app.ts";'],
    ["src/runner/host.ts", 'import type { Store } from "../models/store/store.ts";'],
    ["src/server/ollama/routes.ts", 'import { serve } from "../../cli/serve.ts";'],
    ["src/state/state.ts", 'import { tryLock } from "../models/pull/lock.ts";'],
    ["src/server/app.ts", 'import { openState } from "../state/state.ts";'],
    ["src/server/app.ts", 'import { Command } from "commander";'],
    ["src/cli/run.ts", 'import { Hono } from "hono/tiny";'],
    ["src/cli/run.ts", 'import { main } from "../main.ts";'],
    ["src/main.ts", 'import { createRuntime } from "./core/runtime.ts";'],
    ["src/native/binding.ts", 'import { setup } from "../../build/setup.ts";'],
    ["src/server/app.ts", 'import { listen } from "./listen";'],
    ["src/runner/host.ts", 'spawn({ env: { ...process.env, A: "1" } });'],
    ["src/cli/run.ts", "const { env } = process;"],
    ["src/log.ts", 'import { env } from "node:process";'],
    ["src/server/app.ts", "const url = Bun.env.URL;"],
    ["src/runner/process.ts", "process.exit(1);"],
    ["src/helpers/text.ts", "export const a = 1;"],
  ])("a violation in %s is found: %s", (path, source) => {
    expect(violations(path, source)).toHaveLength(1);
  });

  test.each([
    ["src/core/routing/router.ts", 'import type { Device } from "../request.ts"; // not from "hono"'],
    [
      "src/models/store/store.ts",
      'import { ProxyError } from "../../core/errors.ts"; import { open } from "node:fs/promises";',
    ],
    ["src/runner/process.ts", 'import { loadAddon } from "../native/binding.ts"; process.exitCode = 1;'],
    [
      "src/server/ollama/routes.ts",
      'import { Hono } from "hono"; import { x } from "../body.ts"; const u = "http://a/";',
    ],
    ["src/native/binding.ts", 'import pins from "../../build/pins.json" with { type: "json" };'],
    ["src/config.ts", "export const env = process.env;"],
    ["src/main.ts", 'import { run } from "./cli/program.ts"; process.exit(await run());'],
  ])("what is allowed in %s passes: %s", (path, source) => {
    expect(violations(path, source)).toEqual([]);
  });
});
