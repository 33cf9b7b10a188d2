import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { run } from "./command.ts";
import { outFolder } from "./project.ts";
import { publishFile } from "./publish.ts";

interface Prerequisite {
  readonly what: string;
  readonly debian: string;
  readonly fedora: string;
  readonly windows: string;
  /** What is wrong with it, or undefined where it works. */
  readonly check: () => Promise<string | undefined>;
}

const prerequisites: readonly Prerequisite[] = [
  {
    what: "Python 3 with pip 20.3 or newer",
    debian: "python3-pip",
    fedora: "python3-pip",
    windows: "Python.Python.3.13",
    check: checkPip,
  },
  {
    what: "a C++17 compiler",
    debian: "g++",
    fedora: "gcc-c++",
    windows: "Microsoft.VisualStudio.2022.BuildTools",
    check: checkCompiler,
  },
  {
    what: "CMake 3.16 or newer",
    debian: "cmake",
    fedora: "cmake",
    windows: "Kitware.CMake",
    check: checkCMake,
  },
  {
    what: "make or ninja",
    debian: "make",
    fedora: "make",
    windows: "Ninja-build.Ninja",
    check: async () => (Bun.which("make") || Bun.which("ninja") ? undefined : "neither is on the PATH"),
  },
];

/** The C++ compiler of $CXX or of the PATH, as an absolute path; undefined where there is none. */
export function cxxCompiler(): string | undefined {
  const chosen = process.env["CXX"];
  if (chosen) return Bun.which(chosen) ?? undefined;
  return Bun.which("c++") ?? Bun.which("g++") ?? Bun.which("clang++") ?? undefined;
}

/**
 * Makes sure that this machine can build: what is missing is named all at once, with the packages that bring it. What
 * was found is remembered until one of the programs changes.
 * @throws BuildError
 */
export async function checkPrerequisites(report: (line: string) => void): Promise<void> {
  if (process.platform !== "linux" || process.arch !== "x64" || !hasGlibc())
    throw new BuildError(
      "npu-proxy can be built from source on Linux x64 with glibc 2.28 or newer; this is " +
        `${process.platform} ${process.arch}${process.platform === "linux" && !hasGlibc() ? " without glibc" : ""}. ` +
        "Use such a machine (on Windows: WSL 2).",
    );
  const stamp = join(outFolder, "prerequisites");
  const found = fingerprint();
  if (readStamp(stamp) !== found) {
    await checkAll();
    publishFile(stamp, found);
  }
  report(prerequisites.map((one) => one.what).join(", "));
}

async function checkAll(): Promise<void> {
  const results = await Promise.all(prerequisites.map(async (one) => ({ one, wrong: await one.check() })));
  const missing = results.filter(({ wrong }) => wrong !== undefined);
  if (missing.length > 0) throw new BuildError(explain(missing));
}

function explain(missing: readonly { readonly one: Prerequisite; readonly wrong: string | undefined }[]): string {
  const names = (of: (one: Prerequisite) => string) => missing.map(({ one }) => of(one)).join(" ");
  return [
    "This machine lacks what the build needs; nothing was downloaded yet:",
    ...missing.map(({ one, wrong }) => `  - ${one.what}: ${wrong}`),
    "Install it and run the same command again:",
    `  Debian, Ubuntu:  sudo apt-get install ${names((one) => one.debian)}`,
    `  Fedora:          sudo dnf install ${names((one) => one.fedora)}`,
    `  Windows:         winget install ${names((one) => one.windows)}`,
  ].join("\n");
}

async function checkPip(): Promise<string | undefined> {
  if (!Bun.which("python3")) return "python3 is not on the PATH";
  const { code, output } = await run(["python3", "-m", "pip", "--version"]);
  const [, major = 0, minor = 0] = (/^pip (\d+)\.(\d+)/m.exec(output) ?? []).map(Number);
  if (code !== 0) return "python3 is there, its pip is not (`python3 -m pip --version` failed)";
  return major > 20 || (major === 20 && minor >= 3) ? undefined : `its pip is ${major}.${minor}`;
}

async function checkCompiler(): Promise<string | undefined> {
  const compiler = cxxCompiler();
  if (compiler === undefined)
    return process.env["CXX"]
      ? `$CXX names ${process.env["CXX"]}, which is not there`
      : "no c++, g++ or clang++ on the PATH";
  const folder = mkdtempSync(join(tmpdir(), "npu-proxy-cxx-"));
  try {
    const program =
      "#include <optional>\n#include <string>\nint main() { return std::optional<std::string>().has_value(); }\n";
    const command = [compiler, "-std=c++17", "-x", "c++", "-", "-o", join(folder, "program")];
    const { code, output } = await run(command, { input: program });
    return code === 0 ? undefined : `${compiler} does not compile a three-line C++17 program:\n${output.trim()}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function checkCMake(): Promise<string | undefined> {
  if (!Bun.which("cmake")) return "cmake is not on the PATH";
  const { code, output } = await run(["cmake", "--version"]);
  const [, major = 0, minor = 0] = (/cmake version (\d+)\.(\d+)/.exec(output) ?? []).map(Number);
  if (code !== 0 || major === 0) return "`cmake --version` failed";
  return major > 3 || (major === 3 && minor >= 16) ? undefined : `it is ${major}.${minor}`;
}

/** The programs that would be used, and when they changed last. */
function fingerprint(): string {
  const programs = [Bun.which("python3"), cxxCompiler(), Bun.which("cmake"), Bun.which("make"), Bun.which("ninja")];
  return programs.map((path) => (path ? `${path} ${statSync(path).mtimeMs}` : "none")).join("\n");
}

function readStamp(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** OpenVINO's wheels are linked against glibc; its loader has this path on every x64 distribution that has it. */
function hasGlibc(): boolean {
  return statSync("/lib64/ld-linux-x86-64.so.2", { throwIfNoEntry: false }) !== undefined;
}
