import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { inProject } from "./project.ts";

/** One wheel of the Python Package Index. */
export interface Wheel {
  readonly package: string;
  readonly version: string;
  readonly file: string;
  /** 64 hex digits over the wheel. */
  readonly sha256: string;
}

export interface PlatformPins {
  readonly wheels: readonly Wheel[];
  /** File name -> SHA-256 (64 hex digits) of each file of the native runtime, our addon apart. */
  readonly libraries: Readonly<Record<string, string>>;
}

/** `pins.json`: the only place with versions and hashes of native code. `bun run runtime:pin` writes it. */
export interface Pins {
  /** OpenVINO's release, as in package.json's `openvino-node`. */
  readonly openvino: string;
  readonly platforms: Readonly<Record<Platform, PlatformPins>>;
}

export type Platform = "linux-x64" | "windows-x64";

export const pinsFile = join(import.meta.dir, "pins.json");

/** The pins, checked against the release that package.json names. @throws BuildError where the two differ */
export function readPins(): Pins {
  const pins = JSON.parse(readFileSync(pinsFile, "utf8")) as Pins;
  const release = openvinoRelease();
  if (pins.openvino !== release)
    throw new BuildError(
      `package.json asks for OpenVINO ${release} (openvino-node), but build/pins.json has the hashes of ${pins.openvino}. ` +
        "Run `bun run runtime:pin` and commit build/pins.json with it.",
    );
  return pins;
}

/** The release that package.json names: the exact version of its `openvino-node`. */
export function openvinoRelease(): string {
  const project = JSON.parse(readFileSync(inProject("package.json"), "utf8")) as {
    readonly devDependencies?: Readonly<Record<string, string>>;
  };
  const release = project.devDependencies?.["openvino-node"] ?? "none";
  if (!/^\d+\.\d+\.\d+$/.test(release))
    throw new BuildError(
      `package.json must name an exact version of openvino-node, such as 2026.4.0; it has: ${release}`,
    );
  return release;
}

/** SHA-256 of a text or a file's bytes, as 64 hex digits. */
export function sha256(content: string | Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(content).digest("hex");
}
