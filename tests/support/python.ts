/** Python packages that tests drive as they are: a virtual environment of pinned versions, made once for a checkout. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../build/command.ts";
import { outFolder } from "../../build/project.ts";
import { publishFile } from "../../build/publish.ts";

const PACKAGES = ["ollama==0.6.3"];

/** Its interpreter. The first call in a checkout fetches the packages. */
export async function ensurePython(): Promise<string> {
  const folder = join(outFolder, "clients-venv");
  const python = join(folder, "bin", "python");
  const stamp = join(folder, PACKAGES.join(" "));
  if (existsSync(stamp)) return python;
  await outputOf(["python3", "-m", "venv", "--clear", folder]);
  await outputOf([python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", ...PACKAGES]);
  publishFile(stamp, "");
  return python;
}

/** What a command prints; throws with it where the command fails. */
export async function outputOf(command: readonly string[]): Promise<string> {
  const { code, output } = await run(command);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${output}`);
  return output;
}
