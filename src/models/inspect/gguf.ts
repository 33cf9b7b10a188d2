/**
 * The header of a GGUF file: its metadata and the list of its tensors, never a tensor's content. The format is ggml's
 * (docs/gguf.md of its repository): "GGUF", version, counts, key-value pairs, tensor descriptions, padding, data.
 */
import { ByteReader, type ByteSource } from "./byte-source.ts";
import { tensorBytes, tensorTypeName } from "./gguf-types.ts";

export type GgufValue = string | number | boolean;

export interface Gguf {
  /** Scalars and strings by key; of an array its length under "<key>.length". */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** Number of weights. */
  readonly parameters: number;
  /** Weights by type name ("Q4_K") of the tensors with two dimensions and more. */
  readonly weights: ReadonlyMap<string, number>;
}

const WINDOW = 1 << 20;
/** The largest have some 20 MiB; on a hub every byte of it is traffic. */
const LARGEST_HEADER = 128 << 20;
const MOST_KEYS = 4096;
const MOST_TENSORS = 200_000;
const LONGEST_KEY = 65_535;
/** A longer string is skipped: none of those that are asked for is as long. */
const LONGEST_STRING = 4 << 20;
/** Entries of an array; the largest vocabularies have 300,000. */
const MOST_ENTRIES = 16 << 20;
const STRING = 8;
const ARRAY = 9;
/** Bytes of a value by its type code; strings and arrays carry their length. */
const SIZES: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };

/**
 * Reads a GGUF header. Every count and length is checked against what the file can hold before anything is read for it.
 * @throws Error with a phrase to stand behind the file's name: "is no GGUF file", "was cut off"
 */
export async function readGguf(source: ByteSource, window = WINDOW): Promise<Gguf> {
  return await new GgufReader(source, window).read();
}

class GgufReader {
  readonly #reader: ByteReader;
  readonly #size: number;

  constructor(source: ByteSource, window: number) {
    this.#reader = new ByteReader(source, window);
    this.#size = source.size;
  }

  async read(): Promise<Gguf> {
    if (this.#size < 24) throw new Error("is no GGUF file");
    await this.#need(24);
    const { view, at } = this.#reader.take(8);
    if (view.getUint32(at, true) !== 0x46554747) throw new Error("is no GGUF file");
    const version = view.getUint32(at + 4, true);
    if (version !== 2 && version !== 3) throw new Error(`is GGUF of version ${version}; 2 and 3 can be read`);
    const tensors = await this.#count("tensors", MOST_TENSORS);
    const keys = await this.#count("metadata entries", MOST_KEYS);
    const metadata = new Map<string, GgufValue>();
    for (let index = 0; index < keys; index += 1) await this.#readEntry(metadata);
    return { metadata, ...(await this.#readTensors(tensors, metadata)) };
  }

  async #readEntry(metadata: Map<string, GgufValue>): Promise<void> {
    const key = await this.#string(LONGEST_KEY);
    if (key === undefined) throw new Error("has a metadata key that is too long");
    const type = await this.#uint32();
    if (type === STRING) {
      const text = await this.#string(LONGEST_STRING);
      if (text !== undefined) metadata.set(key, text);
    } else if (type === ARRAY) metadata.set(`${key}.length`, await this.#skipArray());
    else metadata.set(key, await this.#scalar(type));
  }

  async #skipArray(): Promise<number> {
    const type = await this.#uint32();
    const length = await this.#count("array entries", MOST_ENTRIES);
    if (type !== STRING) {
      this.#reader.skip(length * sizeOf(type));
      return length;
    }
    for (let index = 0; index < length; index += 1) {
      if (!this.#reader.has(8)) await this.#need(8); // a wait for each of 300,000 entries would take seconds
      this.#reader.skip(this.#uint64());
    }
    return length;
  }

  async #scalar(type: number): Promise<number | boolean> {
    const size = sizeOf(type);
    await this.#need(size);
    const { view, at } = this.#reader.take(size);
    switch (type) {
      case 0:
        return view.getUint8(at);
      case 1:
        return view.getInt8(at);
      case 2:
        return view.getUint16(at, true);
      case 3:
        return view.getInt16(at, true);
      case 4:
        return view.getUint32(at, true);
      case 5:
        return view.getInt32(at, true);
      case 6:
        return view.getFloat32(at, true);
      case 7:
        return view.getUint8(at) !== 0;
      case 10:
        return Number(view.getBigUint64(at, true));
      case 11:
        return Number(view.getBigInt64(at, true));
      default:
        return view.getFloat64(at, true);
    }
  }

  async #readTensors(count: number, metadata: Gguf["metadata"]): Promise<Pick<Gguf, "parameters" | "weights">> {
    const weights = new Map<string, number>();
    let parameters = 0;
    let dataBytes = 0;
    for (let index = 0; index < count; index += 1) {
      await this.#string(LONGEST_KEY);
      const rank = await this.#uint32();
      if (rank > 8) throw new Error("has a tensor of more than 8 dimensions");
      await this.#need(8 * rank + 12);
      let elements = 1;
      for (let dimension = 0; dimension < rank; dimension += 1) elements *= this.#uint64();
      const { view, at } = this.#reader.take(4);
      const type = view.getUint32(at, true);
      const end = this.#uint64() + tensorBytes(type, elements);
      parameters += elements;
      if (!Number.isSafeInteger(parameters) || !Number.isSafeInteger(end))
        throw new Error("has tensors of impossible shapes");
      dataBytes = Math.max(dataBytes, end);
      if (rank > 1) weights.set(tensorTypeName(type), (weights.get(tensorTypeName(type)) ?? 0) + elements);
    }
    this.#checkLength(dataBytes, metadata.get("general.alignment"));
    return { parameters, weights };
  }

  #checkLength(dataBytes: number, alignment: GgufValue | undefined): void {
    const unit = typeof alignment === "number" && alignment >= 1 && alignment <= 1 << 20 ? alignment : 32;
    const needed = Math.ceil(this.#reader.position / unit) * unit + dataBytes;
    if (this.#size < needed)
      throw new Error(`has ${this.#size} bytes where its weights need ${needed}: it was cut off`);
  }

  async #uint32(): Promise<number> {
    await this.#need(4);
    const { view, at } = this.#reader.take(4);
    return view.getUint32(at, true);
  }

  /** Of bytes that `need` made sure of. @throws Error for a number that no file can mean */
  #uint64(): number {
    const { view, at } = this.#reader.take(8);
    const value = Number(view.getBigUint64(at, true));
    if (!Number.isSafeInteger(value)) throw new Error("has impossible lengths");
    return value;
  }

  async #need(bytes: number): Promise<void> {
    if (this.#reader.position > LARGEST_HEADER)
      throw new Error(`has a header of more than ${LARGEST_HEADER >> 20} MiB`);
    await this.#reader.need(bytes);
  }

  /** Each of what is counted takes a byte at least. */
  async #count(what: string, most: number): Promise<number> {
    await this.#need(8);
    const count = this.#uint64();
    if (count > most || count > this.#reader.remaining) throw new Error(`claims to have ${count} ${what}`);
    return count;
  }

  /** Undefined for a string longer than `longest`, which is skipped. */
  async #string(longest: number): Promise<string | undefined> {
    await this.#need(8);
    const length = this.#uint64();
    if (length > longest) {
      this.#reader.skip(length);
      return undefined;
    }
    await this.#need(length);
    const { view, at } = this.#reader.take(length);
    return Buffer.from(view.buffer, view.byteOffset + at, length).toString("utf8");
  }
}

function sizeOf(type: number): number {
  const size = SIZES[type];
  if (size === undefined) throw new Error(`has a value of the unknown type ${type}`);
  return size;
}
