/** A model that a search of the hub found: what its name, tags and list of files tell, its weights unseen. */
import * as v from "valibot";
import type { ModelKind } from "../../core/model.ts";

/** Also the form in which searches are kept on disk. */
export const foundModel = v.object({
  /** "organisation/name". */
  repository: v.pipe(v.string(), v.regex(/^\w[\w.-]{0,95}\/\w[\w.-]{0,95}$/)),
  kind: v.picklist(["llm", "embedding", "rerank", "vlm", "speech"]),
  /** As the catalogue writes it; "" where nothing tells. */
  quantization: v.string(),
  format: v.picklist(["openvino", "gguf", "other"]),
  /** Number of weights as the name tells; 0 where it does not. */
  parameters: v.number(),
  /** A tag of a family that has its own rules on the NPU; "" of any other. */
  family: v.string(),
  downloads: v.pipe(v.number(), v.minValue(0)),
  likes: v.pipe(v.number(), v.minValue(0)),
  updated: v.pipe(v.string(), v.isoTimestamp()),
  gated: v.boolean(),
  remarks: v.array(v.string()),
});

export type FoundModel = v.InferOutput<typeof foundModel>;

/** What the hub tells of a model in a list; anything else in it is somebody else's business. */
const listed = v.object({
  name: v.pipe(v.string(), v.maxLength(200)),
  task: v.nullish(v.string()),
  downloads: v.fallback(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 0),
  likes: v.fallback(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 0),
  updatedAt: v.date(),
  gated: v.fallback(v.nullable(v.union([v.boolean(), v.string()])), false),
  tags: v.fallback(v.array(v.string()), []),
  filePaths: v.fallback(v.array(v.string()), []),
});

type Listed = v.InferOutput<typeof listed>;

/** The hub's tasks that npu-proxy knows a kind for. */
const KINDS: Readonly<Record<string, ModelKind>> = {
  "text-generation": "llm",
  "text2text-generation": "llm",
  "feature-extraction": "embedding",
  "sentence-similarity": "embedding",
  "text-ranking": "rerank",
  "image-text-to-text": "vlm",
  "visual-question-answering": "vlm",
  "automatic-speech-recognition": "speech",
};

const QUANTIZATIONS: readonly (readonly [RegExp, string])[] = [
  [/int4[-_]cw|channel-?wise/i, "INT4 channel-wise"],
  [/int4|4-?bit|w4a16|awq|gptq/i, "INT4"],
  [/nf4/i, "NF4"],
  [/int8|8-?bit|w8a8/i, "INT8"],
  [/fp8/i, "FP8"],
  [/bf16/i, "BF16"],
  [/fp16|f16/i, "FP16"],
  [/fp32|f32/i, "FP32"],
];

/** An entry of the library's list; undefined for what is no model of a kind that npu-proxy has, or no entry at all. */
export function parseFoundModel(value: unknown): FoundModel | undefined {
  const { success, output } = v.safeParse(listed, value);
  if (!success || Number.isNaN(output.updatedAt.getTime())) return undefined;
  const kind = kindOf(output);
  if (kind === undefined) return undefined;
  const format = formatOf(output.filePaths);
  const found = v.safeParse(foundModel, {
    repository: output.name,
    kind,
    quantization: quantizationOf(output, format),
    format,
    parameters: parametersOf(output.name),
    family: output.tags.find((tag) => /moe$|^lfm2|^gemma4/.test(tag)) ?? "",
    downloads: output.downloads,
    likes: output.likes,
    updated: output.updatedAt.toISOString(),
    gated: Boolean(output.gated),
    remarks: remarksOf(output, format),
  });
  return found.success ? found.output : undefined;
}

/** 1. by the files of a model in parts, 2. by a name that says so, 3. by the hub's task, 4. by the name again. */
function kindOf({ name, task, tags, filePaths }: Listed): ModelKind | undefined {
  if (filePaths.includes("openvino_vision_embeddings_model.xml")) return "vlm";
  if (/rerank/i.test(name)) return "rerank";
  if (filePaths.includes("modules.json") || /embed(?!ded)/i.test(name)) return "embedding";
  const known = KINDS[task ?? ""];
  if (known !== undefined) return known;
  if (task || tags.includes("diffusers")) return undefined;
  if (/whisper/i.test(name)) return "speech";
  if (/\b(bge|gte|e5)-|minilm/i.test(name)) return "embedding";
  return /-vl-|vision|llava|internvl/i.test(name) ? "vlm" : "llm";
}

/** "openvino": a graph with its weights, other than those of a tokenizer. */
function formatOf(files: readonly string[]): FoundModel["format"] {
  const names = new Set(files);
  const graphs = files.filter((path) => /(^|\/)openvino_\w+\.xml$/.test(path) && !/_(de)?tokenizer\.xml$/.test(path));
  if (graphs.some((path) => names.has(path.replace(/xml$/, "bin")))) return "openvino";
  return files.some((path) => path.endsWith(".gguf")) ? "gguf" : "other";
}

function quantizationOf({ name, tags, filePaths }: Listed, format: FoundModel["format"]): string {
  const told = QUANTIZATIONS.find(([pattern]) => pattern.test(name))?.[1];
  if (format !== "gguf")
    return told ?? QUANTIZATIONS.find(([pattern]) => tags.some((tag) => pattern.test(tag)))?.[1] ?? "";
  const files = filePaths.filter((path) => path.endsWith(".gguf"));
  const types = new Set(files.map((path) => /\b(I?Q\d\w*|B?F16|F32)\.gguf$/i.exec(path)?.[1]?.toUpperCase() ?? ""));
  return types.size === 1 ? ([...types][0] ?? "") : "";
}

/** "Qwen3-8B-int4-ov" has 8e9; "MiniLM-L6" says nothing. */
function parametersOf(name: string): number {
  const [, count, unit] = /(?:^|[-_/])(\d{1,4}(?:\.\d+)?)([bm])(?=[-_.]|$)/i.exec(name) ?? [];
  return count === undefined ? 0 : Math.round(Number(count) * (unit?.toLowerCase() === "b" ? 1e9 : 1e6));
}

function remarksOf({ name, filePaths }: Listed, format: FoundModel["format"]): string[] {
  const remarks: string[] = [];
  if (/eagle-?\d?|[-_]draft|fastdraft|speculat/i.test(name))
    remarks.push("a draft model: it only speeds up a larger one");
  const hasWeights = filePaths.some((path) => /\.(safetensors|pt|pth)$|pytorch_model.*\.bin$/.test(path));
  if (format === "gguf" && filePaths.every((path) => !path.endsWith(".gguf") || /vocab/i.test(path)))
    remarks.push("vocabulary only: no weights");
  else if (format === "gguf") remarks.push("GGUF: served as it is, slower than OpenVINO's own format");
  else if (format === "other" && hasWeights) remarks.push("not OpenVINO: will be converted");
  else if (format === "other" && filePaths.some((path) => /tokenizer|vocab/i.test(path)))
    remarks.push("vocabulary only: no weights");
  else if (format === "other") remarks.push("not OpenVINO: no weights that can be converted");
  return remarks;
}
