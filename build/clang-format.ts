import { chmodSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { outFolder } from "./project.ts";
import { publishFolder } from "./publish.ts";
import { downloadWheels, unpackWheels } from "./wheels.ts";

/** One version for all: clang-format's output changes between releases. */
const version = "23.1.5";
const file = `clang_format-${version}-py2.py3-none-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl`;
const sha256 = "d97ce49911ba8c89ef3f3c0735a9c7818e4780ab4812c67d1c5fcd829d16ae52";

/** The program's path, after its download where it is not there yet. @throws BuildError */
export async function ensureClangFormat(): Promise<string> {
  const folder = join(outFolder, `clang-format-${version}`);
  const isWhole = (candidate: string) => existsSync(join(candidate, "clang-format"));
  await publishFolder(folder, isWhole, async (temporary) => {
    await downloadWheels([`clang-format==${version} --hash=sha256:${sha256}`], "linux-x64", temporary, () => undefined);
    await unpackWheels([join(temporary, file)], [["clang_format/data/bin/(clang-format)", String.raw`\1`]], temporary);
    rmSync(join(temporary, file));
    chmodSync(join(temporary, "clang-format"), 0o755);
  });
  return join(folder, "clang-format");
}
