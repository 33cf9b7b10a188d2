/**
 * Where the native runtime lies and whether it is the one that the addon was made for: one flat folder of OpenVINO's
 * libraries and our addon.node. A library of another build is refused: declarations that do not fit crash.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import pins from "../../build/pins.json";
import { ProxyError } from "../core/errors.ts";
import { keepNote } from "./cache-note.ts";
import { embeddedFolder } from "./embedded.ts";

const PLATFORM = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;

export interface RuntimeSearch {
  /** NPU_PROXY_RUNTIME_DIR. */
  readonly directory: string | undefined;
  readonly cacheDirectory: string;
}

/**
 * The runtime folder: the one that the settings name, else what a package installed beside the executable, else where
 * the executable unpacks its own, else what `bun run setup` built for this source checkout.
 * @throws ProxyError runtime_missing
 */
export function findRuntime({ directory, cacheDirectory }: RuntimeSearch): string {
  if (directory !== undefined) {
    if (existsSync(join(directory, "addon.node"))) return directory;
    throw new ProxyError(
      "runtime_missing",
      "The folder in NPU_PROXY_RUNTIME_DIR holds no native runtime (no addon.node). Name the folder that " +
        "`bun run setup` printed, or unset the variable.",
      { detail: directory },
    );
  }
  const beside = join(dirname(process.execPath), "..", "lib", "npu-proxy", "runtime");
  if (existsSync(join(beside, "addon.node"))) return beside;
  const embedded = embeddedFolder(cacheDirectory);
  if (embedded) return embedded;
  const key = readIfThere(join(import.meta.dir, "..", "..", "build", "out", "runtime-key"))?.trim();
  const built = key ? join(cacheDirectory, "runtime", key) : undefined;
  if (built && existsSync(join(built, "addon.node"))) return built;
  throw new ProxyError(
    "runtime_missing",
    "The native runtime (OpenVINO and the addon) is not set up. Run `bun run setup` in the source folder, or set " +
      "NPU_PROXY_RUNTIME_DIR to a folder that holds it.",
    { detail: built ?? beside },
  );
}

/**
 * Compares the SHA-256 of every pinned library with build/pins.json. A folder that passed is remembered in the cache by
 * inode, size and change time of its files, so that only the first start hashes 160 MB.
 * @throws ProxyError runtime_missing, runtime_mismatch
 */
export async function verifyRuntime(directory: string, cacheDirectory: string): Promise<void> {
  const expected = Object.entries(libraryPins());
  const identity = createHash("sha256").update(directory);
  for (const [name, hash] of expected) {
    const file = join(directory, name);
    if (!existsSync(file))
      throw new ProxyError(
        "runtime_missing",
        `The native runtime lacks ${name} of OpenVINO ${pins.openvino}. Run \`bun run setup\` again.`,
        { detail: file },
      );
    const { ino, size, ctimeMs, mtimeMs } = statSync(file);
    identity.update(`${name} ${hash} ${ino} ${size} ${ctimeMs} ${mtimeMs}\n`);
  }
  const marker = join(cacheDirectory, "verified", identity.digest("hex"));
  if (existsSync(marker)) return;
  for (const [name, hash] of expected) {
    if ((await sha256(join(directory, name))) !== hash)
      throw new ProxyError(
        "runtime_mismatch",
        `${name} in the native runtime is not that of OpenVINO ${pins.openvino}, which this npu-proxy needs` +
          `${foundVersion(directory)}. Run \`bun run setup\`, or point NPU_PROXY_RUNTIME_DIR at the right folder.`,
        { detail: directory },
      );
  }
  await keepNote(marker, "");
}

function libraryPins(): Record<string, string> {
  const platforms: Record<string, { libraries: Record<string, string> }> = pins.platforms;
  const own = platforms[PLATFORM]?.libraries;
  if (!own)
    throw new ProxyError(
      "runtime_missing",
      `There is no native runtime for ${PLATFORM}: linux-x64 and windows-x64 only.`,
    );
  return own;
}

/** The version string inside the libopenvino that was found: " (found 2026.3.1-…)". */
function foundVersion(directory: string): string {
  for (const name of ["libopenvino.so.2640", "openvino.dll"]) {
    const file = join(directory, name);
    if (!existsSync(file)) continue;
    const found = /20\d\d\.\d+\.\d+-\d{4,6}-[0-9a-f]{7,12}/.exec(readFileSync(file).toString("latin1"));
    if (found) return ` (found: ${found[0]})`;
  }
  return " (the version found is unknown)";
}

async function sha256(file: string): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
