import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { availableParallelism, freemem } from "node:os";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { run } from "./command.ts";
import { type Pins, sha256 } from "./pins.ts";
import { cxxCompiler } from "./prerequisites.ts";
import { inProject, outFolder } from "./project.ts";
import { publishFile, publishFolder } from "./publish.ts";
import type { OpenVino } from "./runtime.ts";

const sources = inProject("src", "native", "addon");
const buildFolder = join(outFolder, "addon");
/** Read by src/native/binding.ts in a source checkout: the name of the runtime's folder in the cache. */
const keyFile = join(outFolder, "runtime-key");
/** OpenVINO's headers take a compiler about this much memory. */
const bytesPerCompiler = 1.5e9;

/**
 * Makes the finished native runtime: one flat folder with OpenVINO's libraries and our `addon.node`, built by CMake,
 * under `<cache>/runtime/<key>`. The key covers all that goes into it, so an unchanged one is never built again.
 * @returns the folder
 * @throws BuildError with the compiler's output
 */
export async function ensureRuntime(
  pins: Pins,
  openvino: OpenVino,
  cache: string,
  report: (line: string) => void,
): Promise<string> {
  const compiler = cxxCompiler();
  if (compiler === undefined) throw new BuildError("There is no C++ compiler on the PATH.");
  const key = await runtimeKey(pins, compiler);
  const folder = join(cache, "runtime", key);
  const names = Object.keys(pins.platforms["linux-x64"].libraries);
  const isWhole = (candidate: string) =>
    size(join(candidate, "addon.node")) > 0 &&
    names.every((name) => sameFile(join(candidate, name), join(openvino.libraries, name)));
  const made = await publishFolder(folder, isWhole, async (temporary) => {
    const addon = await compile(compiler, openvino, report);
    if ((await runtimeKey(pins, compiler)) !== key)
      throw new BuildError("The addon's sources changed while they were compiled. Run the same command again.");
    for (const name of names) linkOrCopy(join(openvino.libraries, name), join(temporary, name));
    cpSync(openvino.licenses, join(temporary, "licenses"), { recursive: true });
    copyFileSync(addon, join(temporary, "addon.node"));
    report("loading it once");
    await tryAddon(join(temporary, "addon.node"));
  });
  if (!made) report("the addon of these sources is in the cache");
  if (!existsSync(keyFile) || readFileSync(keyFile, "utf8") !== key) publishFile(keyFile, key);
  return folder;
}

/** Covers the addon's sources, OpenVINO, the compiler and the N-API headers: 32 hex digits. */
async function runtimeKey(pins: Pins, compiler: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  const add = (name: string, content: string | Uint8Array) =>
    hasher.update(`${name}\0${content.length}\0`).update(content);
  for (const name of sourceFiles()) add(name, readFileSync(join(sources, name)));
  add("pins", JSON.stringify(pins.platforms["linux-x64"]));
  add("compiler", (await run([compiler, "--version"])).output);
  for (const name of ["CXXFLAGS", "LDFLAGS"]) add(name, process.env[name] ?? "");
  for (const name of ["node-addon-api", "node-api-headers"])
    add(name, (JSON.parse(readFileSync(packageFile(name, "package.json"), "utf8")) as { version: string }).version);
  return hasher.digest("hex").slice(0, 32);
}

function sourceFiles(): string[] {
  const all = readdirSync(sources, { recursive: true, encoding: "utf8" });
  const files = all.filter((name) => statSync(join(sources, name)).isFile()).sort();
  if (!files.includes("CMakeLists.txt"))
    throw new BuildError("src/native/addon/CMakeLists.txt is missing: the checkout is not whole.");
  return files;
}

/** Configures where a setting changed, builds what changed. @returns the path of the addon */
async function compile(compiler: string, openvino: OpenVino, report: (line: string) => void): Promise<string> {
  const includes = [packageFile("node-addon-api"), packageFile("node-api-headers", "include")];
  const configure = [
    ...["cmake", "-S", sources, "-B", buildFolder, "-DCMAKE_BUILD_TYPE=Release", `-DCMAKE_CXX_COMPILER=${compiler}`],
    ...(Bun.which("make") ? [] : ["-G", "Ninja"]),
    `-DNPU_PROXY_OPENVINO_INCLUDE=${openvino.include}`,
    `-DNPU_PROXY_LIBRARIES=${openvino.libraries}`,
    `-DNPU_PROXY_NODE_INCLUDES=${includes.join(";")}`,
  ];
  // CMake keeps its first compiler, generator and source folder for ever: other settings need a fresh folder.
  const stamp = join(buildFolder, "configuration");
  const settings = configure.join("\n");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== settings)
    rmSync(buildFolder, { recursive: true, force: true });
  mkdirSync(buildFolder, { recursive: true });
  report("configuring");
  await succeed(configure, () => undefined);
  publishFile(stamp, settings);
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / bytesPerCompiler)));
  await succeed(["cmake", "--build", buildFolder, "--parallel", String(jobs)], (line) => {
    if (/^\[\s*\d+(%|\/)/.test(line)) report(line);
  });
  const addon = join(buildFolder, "addon.node");
  if (size(addon) <= 0) throw new BuildError("CMake succeeded, but there is no build/out/addon/addon.node.");
  return addon;
}

async function succeed(command: readonly string[], onLine: (line: string) => void): Promise<void> {
  const { code, output } = await run(command, { onLine });
  if (code !== 0) throw new BuildError(`The native addon could not be built (exit code ${code}):\n${output.trim()}`);
}

/** Loads the addon in a process of its own: a library that this machine lacks is told now and not at the first request. */
async function tryAddon(path: string): Promise<void> {
  const script = "const loaded = { exports: {} }; process.dlopen(loaded, process.argv[1]);";
  const { code, output } = await run([process.execPath, "-e", script, path]);
  if (code !== 0)
    throw new BuildError(`The native addon was built but does not load (exit code ${code}):\n${output.trim()}`);
}

function packageFile(...parts: readonly string[]): string {
  return inProject("node_modules", ...parts);
}

/** Hard links save 159 MB per version of the addon; another file system under the cache or a forbidding one copies. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}

/** `verified` was hashed just now: a hard link to it needs no second look, a copy does. */
function sameFile(path: string, verified: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  const wanted = statSync(verified);
  if (found?.size !== wanted.size) return false;
  return (
    (found.dev === wanted.dev && found.ino === wanted.ino) ||
    sha256(readFileSync(path)) === sha256(readFileSync(verified))
  );
}

function size(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? -1;
}
