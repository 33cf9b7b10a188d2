import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError, runMain } from "./build-error.ts";
import { type Pins, type PlatformPins, sha256 } from "./pins.ts";
import { publishFolder } from "./publish.ts";
import { downloadWheels, unpackWheels } from "./wheels.ts";

/** OpenVINO as downloaded: its libraries and cache.json, its C++ headers and the licences of all of it. */
export interface OpenVino {
  readonly libraries: string;
  readonly include: string;
  readonly licenses: string;
}

/** Where wheels keep what is a library or stands beside one. */
export const libraryRule = [
  "(?:openvino/libs|openvino_genai|openvino_tokenizers/lib)/([^/]+)",
  String.raw`libraries/\1`,
] as const;
const headerRule = ["openvino/(include/.+)", String.raw`\1`] as const;
const licenseRule = [
  String.raw`([^/]+)-[^/]+\.dist-info/(?:licenses/)?(?:licensing/)?((?:LICENSE|[^/]*third-party-programs)[^/]*)`,
  String.raw`licenses/\1/\2`,
] as const;

/**
 * Downloads OpenVINO for Linux x64 into the cache unless it is there with every hash right.
 * @param report gets a line per wheel and per stage
 * @throws BuildError where the download fails or a library is not the pinned one
 */
export async function ensureOpenVino(pins: Pins, cache: string, report: (line: string) => void): Promise<OpenVino> {
  const platform = pins.platforms["linux-x64"];
  const key = sha256(JSON.stringify(platform)).slice(0, 16);
  const folder = join(cache, "runtime", `openvino-${pins.openvino}-${key}`);
  const isWhole = (candidate: string) => existsSync(candidate) && wrongLibraries(candidate, platform).length === 0;
  const made = await publishFolder(folder, isWhole, async (temporary) => {
    const downloads = join(temporary, "wheels");
    const requirements = platform.wheels.map(
      (wheel) => `${wheel.package}==${wheel.version} --hash=sha256:${wheel.sha256}`,
    );
    report(`downloading ${platform.wheels.length} wheels of OpenVINO ${pins.openvino}`);
    await downloadWheels(requirements, "linux-x64", downloads, (line) => {
      const file = /Downloading (?:\S*\/)?([^/\s]+\.whl.*)/.exec(line)?.[1];
      if (file !== undefined) report(file);
    });
    report("unpacking");
    const wheels = platform.wheels.map((wheel) => join(downloads, wheel.file));
    await unpackWheels(wheels, [libraryRule, headerRule, licenseRule], temporary);
    rmSync(downloads, { recursive: true });
    for (const name of readdirSync(join(temporary, "libraries")))
      if (!(name in platform.libraries)) rmSync(join(temporary, "libraries", name), { recursive: true });
    const wrong = wrongLibraries(temporary, platform);
    if (wrong.length > 0)
      throw new BuildError(
        `The downloaded wheels hold other files than build/pins.json names: ${wrong.join(", ")}. ` +
          "A maintainer has to run `bun run runtime:pin`.",
      );
  });
  if (!made) report(`OpenVINO ${pins.openvino} is in the cache, every hash is right`);
  return {
    libraries: join(folder, "libraries"),
    include: join(folder, "include"),
    licenses: join(folder, "licenses"),
  };
}

function wrongLibraries(folder: string, platform: PlatformPins): string[] {
  return Object.entries(platform.libraries)
    .filter(([name, hash]) => {
      const path = join(folder, "libraries", name);
      return !existsSync(path) || sha256(readFileSync(path)) !== hash;
    })
    .map(([name]) => name);
}

if (import.meta.main)
  void runMain(async () => {
    if (process.argv[2] !== "--pin") throw new BuildError("Usage: bun build/runtime.ts --pin (writes build/pins.json)");
    const { pin } = await import("./pin.ts");
    await pin();
    return 0;
  });
