/**
 * `bun run build [--level N] [--out FOLDER]`: the release executable dist/npu-proxy, with the native runtime and the demo
 * model inside. A lower zstd level builds in seconds, for tests.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { BuildError, runMain } from "./build-error.ts";
import { cacheFolder } from "./cache-folder.ts";
import { run } from "./command.ts";
import { sha256 } from "./pins.ts";
import { inProject, outFolder, projectFolder } from "./project.ts";
import { publishFile } from "./publish.ts";

/** The libraries pack to 40 MB instead of 45 at level 12, for minutes instead of seconds; unpacking takes the same time. */
const RELEASE_LEVEL = 19;

/** Every file below a folder, by its path relative to it. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** The archive's path; kept in build/out while what goes into it stays the same. */
async function archive(runtime: string, level: number): Promise<string> {
  const files: Record<string, Uint8Array> = {};
  for (const name of filesOf(runtime)) files[name] = readFileSync(join(runtime, name));
  const demo = inProject("build", "demo-model", "model");
  for (const name of filesOf(demo)) files[join("demo", name)] = readFileSync(join(demo, name));
  const sizes = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, bytes.byteLength]));
  files["manifest.json"] = new TextEncoder().encode(JSON.stringify(sizes));
  const tar = await new Bun.Archive(files).bytes();
  const kept = join(outFolder, "archive", `${sha256(tar)}-${level}`);
  const [found] = existsSync(kept) ? readdirSync(kept) : [];
  if (found) return join(kept, found);
  console.log(`compressing ${Math.round(tar.byteLength / 1e6)} MB`);
  const packed = Bun.zstdCompressSync(tar, { level });
  for (const old of existsSync(dirname(kept)) ? readdirSync(dirname(kept)) : [])
    if (old.endsWith(`-${level}`)) rmSync(join(dirname(kept), old), { recursive: true, force: true });
  const temporary = `${kept}.new-${process.pid}`;
  mkdirSync(temporary, { recursive: true });
  const name = `runtime-${sha256(packed)}.tar.zst`;
  await Bun.write(join(temporary, name), packed);
  renameSync(temporary, kept);
  return join(kept, name);
}

async function build(): Promise<number> {
  const setup = await run([process.execPath, inProject("build", "setup.ts")], { cwd: projectFolder, inherit: true });
  if (setup.code !== 0) return setup.code;
  const key = readFileSync(join(outFolder, "runtime-key"), "utf8").trim();
  const { values } = parseArgs({
    options: {
      level: { type: "string", default: String(RELEASE_LEVEL) },
      out: { type: "string", default: inProject("dist") },
    },
  });
  const packed = await archive(join(cacheFolder(), "runtime", key), Number(values.level));
  const dist = values.out;
  mkdirSync(dist, { recursive: true });
  const executable = join(dist, "npu-proxy");
  const result = await Bun.build({
    entrypoints: [inProject("src", "main.ts"), packed],
    compile: { outfile: `${executable}.new`, autoloadDotenv: false, autoloadBunfig: false },
    bytecode: true,
    minify: true,
    format: "cjs",
    naming: { asset: "[name].[ext]" },
    loader: { ".zst": "file" },
  });
  if (!result.success) throw new BuildError(result.logs.map(String).join("\n"));
  renameSync(`${executable}.new`, executable);
  cpSync(inProject("LICENSE"), join(dist, "LICENSE"));
  const { size } = statSync(executable);
  publishFile(`${executable}.sha256`, `${sha256(readFileSync(executable))}  npu-proxy\n`);
  console.log(`${executable}: ${(size / 1e6).toFixed(1)} MB`);
  return 0;
}

void runMain(build);
