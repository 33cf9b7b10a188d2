/** Makes OpenVINO's model of an encoder's safetensors: everything is read and checked here, the addon builds the graphs. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type BertConfig, readBertConfig } from "../core/bert-config.ts";
import { ProxyError } from "../core/errors.ts";
import type { Addon } from "./contract.ts";
import type { BertOptions, NativeWeight } from "./conversion-contract.ts";
import { readSafetensors } from "./safetensors.ts";
import { tokenizerGraph } from "./tokenizer-graph.ts";
import { readTokenizerJson } from "./tokenizer-json.ts";

const TOKENIZERS = process.platform === "win32" ? "openvino_tokenizers.dll" : "libopenvino_tokenizers.so";

/** A sentence that every vocabulary can spell, to try a finished model with. */
const TRIAL = "a model";

export interface Conversion {
  /** A folder with config.json, model.safetensors and a tokenizer. */
  readonly directory: string;
  /** A folder that exists. */
  readonly into: string;
}

/**
 * Converts a BERT or an XLM-RoBERTa, plain or with a classifier: openvino_model, openvino_tokenizer and
 * openvino_detokenizer; matrices become f16. The result is run once.
 * @throws ProxyError conversion_failed
 */
export async function convertEncoder(addon: Addon, runtime: string, { directory, into }: Conversion): Promise<void> {
  const config = readBertConfig(await readJson(join(directory, "config.json")));
  if (typeof config === "string") throw failed(`it cannot be converted without other tools: ${config}`);
  const weights = canonical(await readSafetensors(join(directory, "model.safetensors")));
  const types = weights["embeddings.token_type_embeddings.weight"]?.shape[0] ?? 0;
  const tokenizer = tokenizerGraph(await readTokenizerJson(directory), {
    library: join(runtime, TOKENIZERS),
    maxTokens: await longestSequence(directory, config),
    padId: config.padId,
    tokenTypes: types > 1,
  });
  try {
    await addon.convert({ bert: bertOptions(config, weights), tokenizer, into });
    await tryOnce(addon, into);
  } catch (error) {
    if (error instanceof ProxyError) throw error;
    throw new ProxyError(
      "conversion_failed",
      "The model's weights do not fit its config.json, or its tokenizer cannot be built; the log has the reason.",
      { detail: error instanceof Error ? error.message : String(error), cause: error },
    );
  }
}

async function tryOnce(addon: Addon, directory: string): Promise<void> {
  const tokenizer = await addon.loadTokenizer({ directory });
  const output = await addon.probe(directory, await tokenizer.encode(TRIAL, true));
  if (!output.every(Number.isFinite)) throw failed("what came out of it computes numbers that are none");
}

function bertOptions(config: BertConfig, weights: BertOptions["weights"]): BertOptions {
  const { family, classifier, layers, heads, epsilon, activation, padId } = config;
  return {
    weights,
    layers,
    heads,
    epsilon,
    activation,
    firstPosition: family === "bert" ? 0 : padId + 1,
    head: classifier ? (family === "bert" ? "pooled" : "first") : "none",
  };
}

/** Names without the class's prefix and without the first BERT's own words for a norm's parameters. */
function canonical(tensors: ReadonlyMap<string, NativeWeight>): Record<string, NativeWeight> {
  const entries = [...tensors].map(([name, weight]) => [
    name
      .replace(/^(bert|roberta)\./, "")
      .replace(/\.gamma$/, ".weight")
      .replace(/\.beta$/, ".bias"),
    weight,
  ]);
  return Object.fromEntries(entries);
}

/** The shortest that any of its files names: sentence-transformers' own limit, the tokenizer's, the positions there are. */
async function longestSequence(directory: string, config: BertConfig): Promise<number> {
  const limits = [
    config.maxTokens,
    (await readJson(join(directory, "sentence_bert_config.json")))["max_seq_length"],
    (await readJson(join(directory, "tokenizer_config.json")))["model_max_length"],
  ];
  return Math.min(...limits.filter((limit): limit is number => typeof limit === "number" && limit >= 3));
}

/** An object; {} where the file is missing. */
async function readJson(file: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "{}";
    throw error;
  });
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // told below
  }
  throw failed("one of its JSON files is not an object");
}

function failed(why: string): ProxyError {
  return new ProxyError("conversion_failed", `The model was not converted: ${why}.`);
}
