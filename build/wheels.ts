import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { run } from "./command.ts";
import type { Platform } from "./pins.ts";

const platformTags: Readonly<Record<Platform, string>> = {
  "linux-x64": "manylinux_2_28_x86_64",
  "windows-x64": "win_amd64",
};

/**
 * Downloads wheels by `pip download`, which installs nothing (so it needs no virtual environment and PEP 668 does not
 * forbid it) and honours the user's proxy, certificate and index settings.
 * @param requirements lines of a requirements file; with `--hash` each wheel is checked against it
 * @throws BuildError with pip's own words
 */
export async function downloadWheels(
  requirements: readonly string[],
  platform: Platform,
  folder: string,
  onLine: (line: string) => void,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const list = join(folder, "requirements.txt");
  writeFileSync(list, `${requirements.join("\n")}\n`);
  const hashes = requirements.some((line) => line.includes("--hash=")) ? ["--require-hashes"] : [];
  const result = await run(
    [
      ...["python3", "-m", "pip", "download", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"],
      ...["--no-deps", "--only-binary=:all:", "--python-version", "312", "--implementation", "cp", "--abi", "cp312"],
      ...["--platform", platformTags[platform], ...hashes, "--dest", folder, "--requirement", list],
    ],
    // A setting that only asks for virtual environments when installing would refuse a mere download, too.
    { env: { PIP_REQUIRE_VIRTUALENV: "0" }, onLine },
  );
  if (result.code !== 0)
    throw new BuildError(
      `pip could not download the pinned wheels (exit code ${result.code}). Its own words:\n${result.output.trim()}\n` +
        "Check the network, HTTPS_PROXY and pip's index settings, then run the same command again.",
    );
}

/** Unpacks what matches: [regular expression over the whole member name, destination with \1 for the first group]. */
export async function unpackWheels(
  wheels: readonly string[],
  rules: readonly (readonly [pattern: string, place: string])[],
  into: string,
): Promise<void> {
  const result = await run(["python3", "-c", unpacker], { input: JSON.stringify({ wheels, rules, into }) });
  if (result.code !== 0) throw new BuildError(`The downloaded wheels could not be unpacked:\n${result.output.trim()}`);
}

const unpacker = `
import json, os, re, shutil, sys, zipfile
job = json.load(sys.stdin)
for wheel in job["wheels"]:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            for pattern, place in job["rules"]:
                match = re.fullmatch(pattern, name)
                if match is None:
                    continue
                path = os.path.join(job["into"], match.expand(place))
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with archive.open(name) as source, open(path, "wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                break
`;
