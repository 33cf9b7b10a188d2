import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { openvinoRelease, type Pins, type Platform, type PlatformPins, pinsFile, sha256, type Wheel } from "./pins.ts";
import { publishFile } from "./publish.ts";
import { libraryRule } from "./runtime.ts";
import { downloadWheels, unpackWheels } from "./wheels.ts";

/** Every file the runtime needs, and how many of the wheels' files must match. */
const wanted: Readonly<Record<Platform, { readonly pattern: RegExp; readonly count: number }>> = {
  "linux-x64": {
    pattern:
      /^(cache\.json|lib(tbb|tbbbind_\d+_\d+|tbbmalloc|hwloc|openvino|openvino_(ir|gguf)_frontend|openvino_intel_(cpu|gpu|npu)_plugin|openvino_genai|openvino_tokenizers)\.so(\.\d+)?)$/,
    count: 13,
  },
  // The NPU compiler comes with the driver on Linux and with OpenVINO on Windows.
  "windows-x64": {
    pattern:
      /^(cache\.json|(tbb12|tbbbind_\d+_\d+|tbbmalloc|openvino|openvino_(ir|gguf)_frontend|openvino_intel_(cpu|gpu|npu)_plugin|openvino_intel_npu_(compiler|compiler_loader|vm_runtime)|openvino_genai|openvino_tokenizers)\.dll)$/,
    count: 15,
  },
};

/** Maintainer's command: downloads the release that package.json names for both platforms and writes `pins.json`. */
export async function pin(): Promise<void> {
  const openvino = openvinoRelease();
  const pins: Pins = {
    openvino,
    platforms: {
      "linux-x64": await pinPlatform("linux-x64", openvino),
      "windows-x64": await pinPlatform("windows-x64", openvino),
    },
  };
  publishFile(pinsFile, `${JSON.stringify(pins, undefined, 2)}\n`);
  console.log("build/pins.json is written.");
}

async function pinPlatform(platform: Platform, release: string): Promise<PlatformPins> {
  const folder = mkdtempSync(join(tmpdir(), "npu-proxy-pin-"));
  try {
    const versions = { openvino: release, "openvino-genai": `${release}.0`, "openvino-tokenizers": `${release}.0` };
    const lines = Object.entries(versions).map(([name, version]) => `${name}==${version}`);
    console.log(`${platform}: downloading ${lines.join(", ")}`);
    await downloadWheels(lines, platform, folder, () => undefined);
    const files = readdirSync(folder).filter((name) => name.endsWith(".whl"));
    const wheels = Object.entries(versions).map(([name, version]): Wheel => {
      const file = files.find((one) => one.startsWith(`${name.replaceAll("-", "_")}-`));
      if (file === undefined) throw new BuildError(`pip did not download a wheel of ${name} ${version}.`);
      return { package: name, version, file, sha256: sha256(readFileSync(join(folder, file))) };
    });
    await unpackWheels(
      files.map((file) => join(folder, file)),
      [libraryRule],
      folder,
    );
    const { pattern, count } = wanted[platform];
    const names = readdirSync(join(folder, "libraries")).filter((name) => pattern.test(name));
    if (names.length !== count)
      throw new BuildError(
        `The wheels of ${platform} hold ${names.length} of the ${count} expected files: ${names.join(", ")}. ` +
          "Look at what changed in this release and adapt the patterns in build/pin.ts.",
      );
    const hashes = names.sort().map((name) => [name, sha256(readFileSync(join(folder, "libraries", name)))] as const);
    return { wheels, libraries: Object.fromEntries(hashes) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
