import { existsSync, globSync } from "node:fs";
import { runMain } from "./build-error.ts";
import { ensureClangFormat } from "./clang-format.ts";
import { type CommandResult, run } from "./command.ts";
import { ensurePackages } from "./packages.ts";
import { inProject, projectFolder } from "./project.ts";

interface Tool {
  readonly name: string;
  readonly run: () => Promise<CommandResult>;
}

const cxxFolders = ["src/native/addon", "tests/native/engine-driver"];

const tools: readonly Tool[] = [
  { name: "tsc", run: () => runPackage("tsc", ["--noEmit", "-p", "."]) },
  {
    name: "biome",
    run: () => runPackage("biome", ["ci", "--colors=off", "--error-on-warnings", "--max-diagnostics=200", "."]),
  },
  { name: "oxlint", run: () => runPackage("oxlint", ["--type-aware", "--deny-warnings"]) },
  { name: "knip", run: () => runPackage("knip", ["--no-progress"]) },
  { name: "clang-format", run: checkCxxFormat },
];

/** Runs every tool of the gate, whatever the others said: a line for each, then the whole output of those that failed. */
async function check(): Promise<number> {
  await ensurePackages(() => undefined);
  const failures: string[] = [];
  for (const tool of tools) {
    const started = performance.now();
    const { code, output } = await tool.run();
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${code === 0 ? "ok    " : "FAILED"}  ${tool.name.padEnd(12)}  ${seconds} s`);
    if (code !== 0) failures.push(`\n== ${tool.name} (exit code ${code})\n${output.trim()}`);
  }
  for (const failure of failures) console.error(failure);
  return failures.length === 0 ? 0 : 1;
}

/** Runs a program of node_modules on this Bun: a machine with Bun alone has no `node` for its first line. */
function runPackage(name: string, args: readonly string[]): Promise<CommandResult> {
  return run([process.execPath, "--bun", inProject("node_modules", ".bin", name), ...args], {
    cwd: projectFolder,
    // oxlint starts its type-aware part by a script that asks for `node`, too, unless it is told the program itself.
    env: { OXLINT_TSGOLINT_PATH: inProject("node_modules", "@oxlint-tsgolint", "linux-x64", "tsgolint") },
  });
}

async function checkCxxFormat(): Promise<CommandResult> {
  const program = await ensureClangFormat();
  const files = cxxFolders.flatMap((folder) => globSync(`${folder}/**/*.{h,cc}`, { cwd: projectFolder })).sort();
  if (!existsSync(inProject(".clang-format")) || files.length === 0)
    return {
      code: 1,
      output: `.clang-format or the sources in ${cxxFolders.join(", ")} are missing.`,
      timedOut: false,
    };
  return run([program, "--dry-run", "--Werror", "--style=file", ...files], { cwd: projectFolder });
}

if (import.meta.main) void runMain(check);
