/** The model that is measured. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { BuildError } from "../../build/build-error.ts";
import { cacheFolder } from "../../build/cache-folder.ts";
import { run } from "../../build/command.ts";
import { inProject } from "../../build/project.ts";
import { publishFolder } from "../../build/publish.ts";

const generator = inProject("build", "demo-model", "make_tiny_llm.py");

/** TinyLlama-1.1B's shape. */
const shape = { hidden: 2048, layers: 22, heads: 32, "kv-heads": 4, ffn: 5632, vocab: 32_000, kind: "q4_0" };

/**
 * A folder in OpenVINO's layout: the checkout's demo, a random model of TinyLlama-1.1B's shape (620 MB, made once in a
 * minute or two), or the given one.
 * @param python an interpreter that has openvino_genai and numpy
 */
export async function modelFolder(name: string, python: string): Promise<string> {
  if (name === "demo") return inProject("build", "demo-model", "model");
  if (name === "1.1b") return await randomModel(python);
  const folder = resolve(name);
  if (existsSync(join(folder, "openvino_model.xml"))) return folder;
  throw new BuildError(`--model is "${name}". Expected demo, 1.1b, or a folder that holds an openvino_model.xml.`);
}

async function randomModel(python: string): Promise<string> {
  const folder = join(cacheFolder(), "bench", "random-1.1b");
  const isWhole = (candidate: string) => existsSync(join(candidate, "tokenizer_config.json"));
  await publishFolder(folder, isWhole, async (temporary) => {
    console.log("making a random model of 1.1 billion parameters; it is kept");
    const flags = Object.entries(shape).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
    const { code, output } = await run([python, generator, temporary, ...flags, "--max-merges", "2000"]);
    if (code !== 0) throw new BuildError(`The random model could not be made (exit code ${code}):\n${output.trim()}`);
  });
  return folder;
}
