/** A small random BERT (or XLM-RoBERTa) as a hub's repository holds it: config.json, model.safetensors, tokenizer.json. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface TinyBert {
  readonly family: "bert" | "roberta";
  /** Labels of the classifier; 0: an embedder. */
  readonly labels: number;
  readonly hidden: number;
  readonly heads: number;
  readonly layers: number;
  readonly inner: number;
  readonly positions: number;
  readonly vocabulary: readonly string[];
  /** Token types that the model tells apart. */
  readonly types: number;
  readonly weights: ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;
}

const WORDS = "hello world cat dog sat on the mat capital of france paris npu model".split(" ");
const LETTERS = [..."abcdefghijklmnopqrstuvwxyz0123456789.,!?'ςσµ"];

/** Weights from a seed: the same numbers each time, on each machine. */
export function tinyBert(family: TinyBert["family"] = "bert", labels = 0): TinyBert {
  const shape = { hidden: 16, heads: 2, layers: 2, inner: 32, positions: 40, types: family === "bert" ? 2 : 1 };
  const vocabulary =
    family === "bert"
      ? ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...WORDS, ...LETTERS, ...LETTERS.map((letter) => `##${letter}`)]
      : ["<s>", "<pad>", "</s>", "<unk>", ...WORDS.map((word) => `▁${word}`), "▁", ...LETTERS];
  const random = numbers(20260301);
  const weights = new Map<string, { shape: readonly number[]; values: Float32Array }>();
  const add = (name: string, ...sides: number[]): void => {
    const length = sides.reduce((product, side) => product * side, 1);
    const middle = name.endsWith("LayerNorm.weight") ? 1 : 0;
    // 64ths, which bfloat16 keeps exactly, as f16 does.
    const values = Float32Array.from({ length }, () => middle + Math.round(random() * 32) / 64);
    weights.set(name, { shape: sides, values });
  };
  const linear = (name: string, inputs: number, outputs: number): void => {
    add(`${name}.weight`, outputs, inputs);
    add(`${name}.bias`, outputs);
  };
  const norm = (name: string): void => {
    add(`${name}.weight`, shape.hidden);
    add(`${name}.bias`, shape.hidden);
  };
  const prefix = labels === 0 ? "" : `${family}.`;
  add(`${prefix}embeddings.word_embeddings.weight`, vocabulary.length, shape.hidden);
  add(`${prefix}embeddings.position_embeddings.weight`, shape.positions, shape.hidden);
  add(`${prefix}embeddings.token_type_embeddings.weight`, shape.types, shape.hidden);
  norm(`${prefix}embeddings.LayerNorm`);
  for (let layer = 0; layer < shape.layers; layer++) {
    const name = `${prefix}encoder.layer.${layer}`;
    for (const part of ["query", "key", "value"]) linear(`${name}.attention.self.${part}`, shape.hidden, shape.hidden);
    linear(`${name}.attention.output.dense`, shape.hidden, shape.hidden);
    norm(`${name}.attention.output.LayerNorm`);
    linear(`${name}.intermediate.dense`, shape.hidden, shape.inner);
    linear(`${name}.output.dense`, shape.inner, shape.hidden);
    norm(`${name}.output.LayerNorm`);
  }
  if (labels > 0 && family === "bert") {
    linear("bert.pooler.dense", shape.hidden, shape.hidden);
    linear("classifier", shape.hidden, labels);
  } else if (labels > 0) {
    linear("classifier.dense", shape.hidden, shape.hidden);
    linear("classifier.out_proj", shape.hidden, labels);
  }
  return { family, labels, ...shape, vocabulary, weights };
}

/** Writes it into a folder that need not exist. */
export function writeTinyBert(folder: string, bert: TinyBert, type: WeightType = "F32"): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify(config(bert)));
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer(bert)));
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify({ model_max_length: 32 }));
  writeFileSync(join(folder, "model.safetensors"), safetensors(bert, type));
}

export type WeightType = "F32" | "F16" | "BF16";

/** The file's bytes; an I64 tensor is among them, as in the files of older exporters. */
export function safetensors({ weights, positions }: TinyBert, type: WeightType): Uint8Array {
  const ids = new BigInt64Array(positions).map((_, index) => BigInt(index));
  const tensors = [
    { name: "embeddings.position_ids", dtype: "I64", shape: [1, positions], bytes: new Uint8Array(ids.buffer) },
    ...[...weights].map(([name, { shape, values }]) => {
      return { name, dtype: type, shape, bytes: bytesOf(values, type) };
    }),
  ];
  let offset = 0;
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    offset += bytes.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  return Buffer.concat([length, json, ...tensors.map(({ bytes }) => bytes)]);
}

function bytesOf(values: Float32Array, type: WeightType): Uint8Array {
  if (type === "F32") return new Uint8Array(values.buffer);
  if (type === "F16") return new Uint8Array(Float16Array.from(values).buffer);
  const words = new Uint32Array(values.buffer);
  return new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer);
}

function config(bert: TinyBert): unknown {
  const name = bert.family === "bert" ? "Bert" : "XLMRoberta";
  return {
    model_type: bert.family === "bert" ? "bert" : "xlm-roberta",
    architectures: [bert.labels === 0 ? `${name}Model` : `${name}ForSequenceClassification`],
    hidden_size: bert.hidden,
    num_attention_heads: bert.heads,
    num_hidden_layers: bert.layers,
    intermediate_size: bert.inner,
    max_position_embeddings: bert.positions,
    type_vocab_size: bert.types,
    vocab_size: bert.vocabulary.length,
    hidden_act: "gelu",
    layer_norm_eps: 1e-5,
    pad_token_id: bert.family === "bert" ? 0 : 1,
  };
}

function tokenizer({ family, vocabulary }: TinyBert): unknown {
  const special = vocabulary.filter((token) => /^[[<]/.test(token));
  const flags = { special: true, lstrip: false, rstrip: false, single_word: false, normalized: false };
  const added_tokens = special.map((content) => ({ id: vocabulary.indexOf(content), content, ...flags }));
  if (family === "bert")
    return {
      added_tokens,
      normalizer: {
        type: "BertNormalizer",
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
      },
      pre_tokenizer: { type: "BertPreTokenizer" },
      post_processor: {
        type: "TemplateProcessing",
        single: [part("[CLS]"), { Sequence: { id: "A", type_id: 0 } }, part("[SEP]")],
        pair: [
          ...[part("[CLS]"), { Sequence: { id: "A", type_id: 0 } }, part("[SEP]")],
          ...[{ Sequence: { id: "B", type_id: 1 } }, { SpecialToken: { id: "[SEP]", type_id: 1 } }],
        ],
        special_tokens: {
          "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
          "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] },
        },
      },
      model: {
        type: "WordPiece",
        unk_token: "[UNK]",
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
        vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
      },
    };
  return {
    added_tokens,
    normalizer: { type: "NFKC" },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [{ type: "WhitespaceSplit" }, { type: "Metaspace", replacement: "▁", add_prefix_space: true }],
    },
    post_processor: {
      type: "RobertaProcessing",
      ...{ sep: ["</s>", 2], cls: ["<s>", 0], trim_offsets: true, add_prefix_space: true },
    },
    model: {
      type: "Unigram",
      unk_id: 3,
      vocab: vocabulary.map((token, id) => [token, id < 4 ? 0 : -1 - id / vocabulary.length]),
    },
  };
}

function part(id: string): unknown {
  return { SpecialToken: { id, type_id: 0 } };
}

/** Numbers from -1 to 1 (a multiplicative congruential generator). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return (2 * state) / 2147483647 - 1;
  };
}
