import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { run } from "./command.ts";
import { sha256 } from "./pins.ts";
import { inProject, projectFolder } from "./project.ts";
import { publishFile } from "./publish.ts";

/**
 * Brings node_modules to what bun.lock says, unless it is so already.
 * @throws BuildError with Bun's own words
 */
export async function ensurePackages(report: (line: string) => void): Promise<void> {
  const modules = inProject("node_modules");
  const stamp = join(modules, ".npu-proxy-installed");
  const unfinished = join(modules, ".npu-proxy-installing");
  const wanted = sha256(
    ["package.json", "bun.lock", "bunfig.toml"].map((name) => readFileSync(inProject(name))).join("\0"),
  );
  if (existsSync(stamp) && !existsSync(unfinished) && readFileSync(stamp, "utf8") === wanted) {
    report("node_modules is as bun.lock says");
    return;
  }
  // Bun takes a package folder that has a package.json for whole: after an interruption only a fresh start is safe.
  if (existsSync(unfinished)) rmSync(modules, { recursive: true, maxRetries: 10, retryDelay: 100 });
  mkdirSync(modules, { recursive: true });
  publishFile(unfinished, "");
  report("bun install --frozen-lockfile");
  const { code, output } = await run([process.execPath, "install", "--frozen-lockfile"], { cwd: projectFolder });
  if (code !== 0)
    throw new BuildError(
      `The packages of bun.lock could not be installed (exit code ${code}). Bun's own words:\n${output.trim()}\n` +
        "Check the network, HTTPS_PROXY and the npm registry's settings, then run the same command again.",
    );
  const summary = /^\d+ packages? installed.*|^Checked .*|^Done.*/m.exec(output)?.[0];
  if (summary) report(summary);
  publishFile(stamp, wanted);
  rmSync(unfinished);
}
