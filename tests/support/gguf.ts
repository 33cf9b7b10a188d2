/** GGUF files, written from scratch: the alphabet model, and broken ones. */

type Scalar = "u32" | "i32" | "f32" | "u64" | "bool" | "string";
export type Entry = readonly [
  key: string,
  type: Scalar | "strings" | "i32s",
  value: string | number | boolean | readonly string[] | readonly number[],
];
export interface Tensor {
  readonly name: string;
  /** [rows, columns], or [length]. */
  readonly shape: readonly number[];
  readonly type: "F32" | "Q8_0";
  readonly data: Uint8Array;
}

const CODES: Readonly<Record<Scalar, number>> = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, u64: 10 };
const ALIGNMENT = 32;

/** The bytes of a GGUF file of version 3. */
export function ggufFile(metadata: readonly Entry[], tensors: readonly Tensor[]): Uint8Array {
  const head = [Buffer.from("GGUF"), u32(3), u64(tensors.length), u64(metadata.length), ...metadata.map(entry)];
  let offset = 0;
  for (const { name, shape, type, data } of tensors) {
    head.push(
      string(name),
      u32(shape.length),
      ...shape.toReversed().map(u64),
      u32(type === "F32" ? 0 : 8),
      u64(offset),
    );
    offset += aligned(data.length);
  }
  const length = head.reduce((sum, part) => sum + part.length, 0);
  const body = tensors.flatMap(({ data }) => [data, Buffer.alloc(aligned(data.length) - data.length)]);
  return Buffer.concat([...head, Buffer.alloc(aligned(length) - length), ...body]);
}

/** Characters as byte-level BPE spells the 256 bytes. */
function byteTokens(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(printable ? byte : next++);
  });
}

const HIDDEN = 288;
const END = 257;

/** A Llama that answers any text with the letters that follow its last one, up to "z": "w" with "xyz". */
export const ALPHABET: readonly Entry[] = [
  ["general.architecture", "string", "llama"],
  ["general.name", "string", "alphabet"],
  ["general.license", "string", "mit"],
  ["general.file_type", "u32", 7],
  ["llama.context_length", "u32", 512],
  ["llama.embedding_length", "u32", HIDDEN],
  ["llama.block_count", "u32", 1],
  ["llama.feed_forward_length", "u32", 32],
  ["llama.attention.head_count", "u32", 9],
  ["llama.attention.head_count_kv", "u32", 1],
  ["llama.attention.layer_norm_rms_epsilon", "f32", 1e-5],
  ["llama.rope.freq_base", "f32", 10_000],
  ["llama.rope.dimension_count", "u32", 32],
  ["llama.vocab_size", "u32", 258],
  ["tokenizer.ggml.model", "string", "gpt2"],
  ["tokenizer.ggml.pre", "string", "qwen2"],
  ["tokenizer.ggml.tokens", "strings", [...byteTokens(), "Ġa", "<|end|>"]],
  ["tokenizer.ggml.token_type", "i32s", Array.from({ length: 258 }, (_, id) => (id === END ? 3 : 1))],
  ["tokenizer.ggml.merges", "strings", ["Ġ a"]],
  ["tokenizer.ggml.bos_token_id", "u32", END],
  ["tokenizer.ggml.eos_token_id", "u32", END],
  ["tokenizer.ggml.padding_token_id", "u32", END],
  ["tokenizer.chat_template", "string", "{% for message in messages %}{{ message['content'] }}{% endfor %}"],
];

/** The alphabet model's file, with entries in the place of its own (undefined: without them). */
export function alphabetFile(changes: Readonly<Record<string, Entry | undefined>> = {}): Uint8Array {
  const metadata = new Map(ALPHABET.map((own): [string, Entry | undefined] => [own[0], own]));
  for (const [key, entry] of Object.entries(changes)) metadata.set(key, entry);
  const one = matrix("", 258, HIDDEN, (row, column) => (row === column ? 1 : 0)).data;
  const after = (row: number, column: number): number =>
    column === (row === END ? 0x7a : row - 1) && row !== 0x7b ? 1 : 0;
  const zero = (name: string, rows: number, columns: number): Tensor => matrix(name, rows, columns, () => 0);
  return ggufFile(
    [...metadata.values()].filter((entry) => entry !== undefined),
    [
      { name: "token_embd.weight", shape: [258, HIDDEN], type: "Q8_0", data: one },
      ones("blk.0.attn_norm.weight"),
      zero("blk.0.attn_q.weight", HIDDEN, HIDDEN),
      zero("blk.0.attn_k.weight", 32, HIDDEN),
      zero("blk.0.attn_v.weight", 32, HIDDEN),
      zero("blk.0.attn_output.weight", HIDDEN, HIDDEN),
      ones("blk.0.ffn_norm.weight"),
      zero("blk.0.ffn_gate.weight", 32, HIDDEN),
      zero("blk.0.ffn_up.weight", 32, HIDDEN),
      zero("blk.0.ffn_down.weight", HIDDEN, 32),
      ones("output_norm.weight"),
      matrix("output.weight", 258, HIDDEN, after),
    ],
  );
}

/** A matrix of zeros and ones in ggml's q8_0: blocks of a float16 scale and 32 bytes. */
function matrix(name: string, rows: number, columns: number, at: (row: number, column: number) => number): Tensor {
  const data = Buffer.alloc((rows * columns * 34) / 32);
  for (let row = 0, byte = 0; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1) {
      if (column % 32 === 0) byte = data.writeUInt16LE(0x2000, byte); // 2 to the power of -7
      byte = data.writeInt8(127 * at(row, column), byte);
    }
  return { name, shape: [rows, columns], type: "Q8_0", data };
}

function ones(name: string): Tensor {
  return { name, shape: [HIDDEN], type: "F32", data: new Uint8Array(new Float32Array(HIDDEN).fill(1).buffer) };
}

function entry([key, type, value]: Entry): Buffer {
  if (Array.isArray(value)) {
    const items =
      type === "strings" ? value.map((text) => string(String(text))) : value.map((number) => i32(Number(number)));
    return Buffer.concat([string(key), u32(9), u32(type === "strings" ? 8 : 5), u64(value.length), ...items]);
  }
  return Buffer.concat([
    string(key),
    u32(CODES[type as Scalar]),
    scalar(type as Scalar, value as string | number | boolean),
  ]);
}

function scalar(type: Scalar, value: string | number | boolean): Buffer {
  if (type === "string") return string(String(value));
  if (type === "bool") return Buffer.from([value ? 1 : 0]);
  if (type === "u64") return u64(Number(value));
  if (type === "i32") return i32(Number(value));
  if (type === "u32") return u32(Number(value));
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(Number(value));
  return bytes;
}

export function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function aligned(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}
