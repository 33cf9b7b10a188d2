/** What a model folder in OpenVINO's layout really holds, read from its own files; never from its name. */
import { createHash } from "node:crypto";
import { open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ProxyError } from "../core/errors.ts";
import type { Model } from "../core/ports.ts";
import type { Sampling } from "../core/request.ts";

const REQUIRED = ["openvino_tokenizer", "openvino_detokenizer"].flatMap((name) => [`${name}.xml`, `${name}.bin`]);
const MIB = 1 << 20;

/**
 * Reads a model folder.
 * @throws ProxyError model_invalid: what is missing or broken, by file name.
 */
export async function inspectModel(name: string, directory: string): Promise<Model> {
  const invalid = (what: string): ProxyError =>
    new ProxyError("model_invalid", `The model '${name}' is damaged: ${what}. Remove it and fetch it again.`, {
      detail: directory,
    });
  const files = (await readdir(directory, { withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((e) => e.name);
  for (const file of ["config.json", "openvino_model.bin", ...REQUIRED])
    if (!files.includes(file)) throw invalid(`it has no ${file}`);
  const [xml, config, generation, weights] = await Promise.all([
    readFile(join(directory, "openvino_model.xml"), "utf8"),
    readJson(directory, "config.json"),
    readJson(directory, "generation_config.json"),
    stat(join(directory, "openvino_model.bin")),
  ]);
  if (!/^\s*(<\?xml[^>]*>\s*)?<net\b/.test(xml)) throw invalid("openvino_model.xml is no OpenVINO model");
  if (!xml.trimEnd().endsWith("</net>")) throw invalid("openvino_model.xml was cut off");
  if (files.includes("generation_config.json") && !generation)
    throw invalid("generation_config.json is no JSON object");
  if (!config) throw invalid("config.json is no JSON object");
  const constants = readConstants(xml);
  const needed = constants.reduce((most, { offset, size }) => Math.max(most, offset + size), 0);
  if (weights.size < needed)
    throw invalid(`openvino_model.bin has ${weights.size} bytes where its weights need ${needed}: it was cut off`);
  const text = object(config["text_config"]) ?? config;
  const contextLength = number(text["max_position_embeddings"]) ?? 2048;
  if (!Number.isInteger(contextLength) || contextLength < 1)
    throw invalid(`config.json says that its context is ${contextLength} tokens long`);
  const sizes = await Promise.all(files.map(async (file) => ({ file, ...(await fileFacts(join(directory, file))) })));
  return {
    name,
    directory,
    digest: digestOf(sizes),
    size: sizes.reduce((sum, { size }) => sum + size, 0),
    modified: new Date(Math.max(...sizes.map(({ modified }) => modified))),
    family: typeof config["model_type"] === "string" ? config["model_type"] : "unknown",
    parameterSize: parameterSize(constants),
    quantization: quantization(constants),
    contextLength,
    embeddingLength: number(text["hidden_size"]) ?? 0,
    kvValuesPerToken: kvValuesPerToken(text),
    chatTemplate: await chatTemplate(directory),
    defaults: samplingDefaults(generation ?? {}),
  };
}

/** Numbers that one token leaves in the KV cache; 0 where the config does not tell. */
function kvValuesPerToken(config: Record<string, unknown>): number {
  const heads = number(config["num_attention_heads"]) ?? 0;
  const headSize = number(config["head_dim"]) ?? (heads > 0 ? (number(config["hidden_size"]) ?? 0) / heads : 0);
  const values =
    (number(config["num_hidden_layers"]) ?? 0) * (number(config["num_key_value_heads"]) ?? heads) * headSize * 2;
  return Number.isFinite(values) && values > 0 ? values : 0;
}

interface Constant {
  readonly type: string;
  readonly offset: number;
  readonly size: number;
  readonly elements: number;
}

/** The weight records of an IR: `<data element_type="i8" shape="…" offset="…" size="…"/>`. */
function readConstants(xml: string): readonly Constant[] {
  return [...xml.matchAll(/<data [^>]*\boffset="\d+"[^>]*>/g)].map(([tag]) => {
    const attribute = (key: string): string => new RegExp(`\\b${key}="([^"]*)"`).exec(tag)?.[1] ?? "";
    const shape = attribute("shape");
    return {
      type: attribute("element_type"),
      offset: Number(attribute("offset")),
      size: Number(attribute("size")),
      elements:
        shape.trim() === "" ? 1 : shape.split(",").reduce((product, dimension) => product * Number(dimension), 1),
    };
  });
}

/** Weights in the type that most bytes are in, as Ollama's listings write it: INT4, INT8, F16. */
function quantization(constants: readonly Constant[]): string {
  const bytes = new Map<string, number>();
  for (const { type, size } of constants) bytes.set(type, (bytes.get(type) ?? 0) + size);
  const [type = ""] = [...bytes].sort((a, b) => b[1] - a[1])[0] ?? [];
  const names: Readonly<Record<string, string>> = { i4: "INT4", u4: "INT4", i8: "INT8", u8: "INT8" };
  return names[type] ?? type.toUpperCase();
}

function parameterSize(constants: readonly Constant[]): string {
  const total = constants.reduce((sum, { elements }) => sum + elements, 0);
  return total >= 1e9
    ? `${(total / 1e9).toFixed(1)}B`
    : total >= 1e6
      ? `${(total / 1e6).toFixed(1)}M`
      : `${Math.round(total / 1e3)}K`;
}

async function chatTemplate(directory: string): Promise<string> {
  const own = await readFile(join(directory, "chat_template.jinja"), "utf8").catch(() => undefined);
  if (own !== undefined) return own;
  const template = (await readJson(directory, "tokenizer_config.json"))?.["chat_template"];
  return typeof template === "string" ? template : "";
}

/** generation_config.json as sampling parameters; `do_sample: false` is temperature 0. */
function samplingDefaults(config: Record<string, unknown>): Sampling {
  const temperature = config["do_sample"] === false ? 0 : number(config["temperature"]);
  const topP = number(config["top_p"]);
  const topK = number(config["top_k"]);
  const repetitionPenalty = number(config["repetition_penalty"]);
  return {
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(topK !== undefined && { topK }),
    ...(repetitionPenalty !== undefined && { repetitionPenalty }),
  };
}

interface FileFacts {
  readonly size: number;
  readonly modified: number;
  readonly hash: string;
}

/** A file up to 16 MiB counts by its content, a larger one by its size and its first and last MiB. */
async function fileFacts(file: string): Promise<FileFacts> {
  const handle = await open(file);
  try {
    const { size, mtimeMs } = await handle.stat();
    const hash = createHash("sha256");
    const ranges: [number, number][] =
      size <= 16 * MIB
        ? [[0, size]]
        : [
            [0, MIB],
            [size - MIB, MIB],
          ];
    for (const [position, length] of ranges) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
      hash.update(buffer.subarray(0, bytesRead));
    }
    return { size, modified: mtimeMs, hash: hash.digest("hex") };
  } finally {
    await handle.close();
  }
}

function digestOf(files: readonly (FileFacts & { file: string })[]): string {
  const hash = createHash("sha256");
  for (const { file, size, hash: content } of [...files].sort((a, b) => (a.file < b.file ? -1 : 1)))
    hash.update(`${file}\0${size}\0${content}\n`);
  return hash.digest("hex");
}

async function readJson(directory: string, file: string): Promise<Record<string, unknown> | undefined> {
  try {
    return object(JSON.parse(await readFile(join(directory, file), "utf8")));
  } catch {
    return undefined;
  }
}

function object(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
