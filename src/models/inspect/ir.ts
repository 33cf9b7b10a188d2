/** What an OpenVINO IR (.xml) says of its weights, its makers and its graph; read without loading it. */
import { stat } from "node:fs/promises";
import { attribute, rawAttribute, scanTags } from "./xml-tags.ts";

export interface WeightType {
  /** Weights of this type; scales and zero points are not counted. */
  readonly elements: number;
  /** Weights by the length of the group that shares a scale; -1 is a whole row. */
  readonly groups: ReadonlyMap<number, number>;
}

export interface Ir {
  /** Smallest .bin that holds all its constants, in bytes. */
  readonly weightBytes: number;
  /** By the IR's own names: "i4", "u8", "f16". */
  readonly weights: ReadonlyMap<string, WeightType>;
  /** The model's rt_info: "nncf/weight_compression/mode" to "int4_sym". */
  readonly info: ReadonlyMap<string, string>;
  /** Fused attention operations; without any GenAI cannot batch. */
  readonly attentions: number;
  /** Whether one of its tensors has this name. */
  readonly hasLogits: boolean;
}

/** Types that weights come in; others (i64, boolean, string) are shapes, masks and vocabularies. */
const WEIGHT_TYPES = /^(?:f64|f32|f16|bf16|f8e4m3|f8e5m2|f8e8m0|f4e2m1|nf4|[iu](?:8|6|4|3|2|1))$/;
const LARGEST_FILE = 1 << 29;
const MOST_CONSTANTS = 2_000_000;
const MOST_INFO = 2000;
/** Keys are made of the names on the way to them. */
const LONGEST_NAME = 500;

/**
 * Reads an IR file. The format is OpenVINO's: constants are `<data element_type shape offset size>` of `Const` layers.
 * @throws Error with a phrase to stand behind the file's name: "is no OpenVINO model", "was cut off"
 */
export async function readIr(path: string): Promise<Ir> {
  if ((await stat(path)).size > LARGEST_FILE) throw new Error(`is larger than ${LARGEST_FILE >> 20} MiB`);
  const reader = new IrReader();
  await scanTags(path, (tag) => reader.visit(tag)).catch((error: Error) => {
    throw error.message === "is no XML" ? new Error("is no OpenVINO model") : error;
  });
  if (!reader.ended) throw new Error("was cut off");
  return reader;
}

interface MutableWeights {
  elements: number;
  readonly groups: Map<number, number>;
}

class IrReader implements Ir {
  weightBytes = 0;
  readonly weights = new Map<string, MutableWeights>();
  readonly info = new Map<string, string>();
  attentions = 0;
  hasLogits = false;
  ended = false;
  readonly #seen = new Set<number>();
  readonly #path: string[] = [];
  #begun = false;
  #outputs = 0;
  /** Bodies of loops have layers of their own, inside those of the model. */
  #layers = 0;
  #inInfo = false;

  visit(tag: string): void {
    if (!this.#begun) this.#begin(tag);
    else if (this.#inInfo) this.#visitInfo(tag);
    else if (tag.startsWith("data ")) this.#visitData(tag);
    else if (tag.startsWith("layer ")) {
      const type = rawAttribute(tag, "type");
      if (type === "ScaledDotProductAttention") this.attentions += 1;
      else if (type === "Result") this.#outputs += 1;
    } else if (tag.startsWith("port ")) {
      if (!this.hasLogits) this.hasLogits = rawAttribute(tag, "names").split(",").includes("logits");
    } else if (tag === "layers") this.#layers += 1;
    else if (tag === "/layers") this.#layers -= 1;
    else if (tag === "rt_info" && this.#layers === 0) this.#inInfo = true;
    else if (tag === "/net") {
      if (this.#outputs === 0) throw new Error("has no outputs");
      this.ended = true;
    }
  }

  #begin(tag: string): void {
    if (tag.startsWith("?") || tag.startsWith("!")) return;
    if (!/^net\b/.test(tag)) throw new Error("is no OpenVINO model");
    this.#begun = true;
  }

  #visitInfo(tag: string): void {
    if (tag.startsWith("/")) {
      this.#inInfo = this.#path.pop() !== undefined;
      return;
    }
    const name = /^[^\s/]*/.exec(tag)?.[0] ?? "";
    const last = name === "info" ? attribute(tag, "name") : name;
    if (Math.max(name.length, last.length) > LONGEST_NAME) throw new Error("has rt_info with names that are none");
    const key = [...this.#path, last].join("/");
    const value = attribute(tag, "value");
    if (value !== "" && this.info.size < MOST_INFO) this.info.set(key, value);
    if (tag.endsWith("/")) return;
    if (this.#path.push(name) > 32) throw new Error("has rt_info nested too deeply");
  }

  #visitData(tag: string): void {
    const offset = rawAttribute(tag, "offset");
    if (offset === "") return;
    const end = wholeNumber(offset) + wholeNumber(rawAttribute(tag, "size"));
    this.weightBytes = Math.max(this.weightBytes, end);
    const type = rawAttribute(tag, "element_type");
    if (!WEIGHT_TYPES.test(type) || this.#seen.has(Number(offset))) return; // the same bytes may be two constants
    if (this.#seen.add(Number(offset)).size > MOST_CONSTANTS) throw new Error("has too many constants");
    this.#count(type, rawAttribute(tag, "shape"));
  }

  /** A weight is [rows, columns] or [rows, groups, group]; its scales and zero points are [rows, 1] or [rows, groups, 1]. */
  #count(type: string, shape: string): void {
    const dimensions = shape.trim() === "" ? [] : shape.split(",").map((dimension) => wholeNumber(dimension.trim()));
    const last = dimensions.at(-1) ?? 1;
    if (last <= 1) return;
    const weights = this.weights.get(type) ?? { elements: 0, groups: new Map() };
    this.weights.set(type, weights);
    const elements = dimensions.reduce((product, dimension) => product * dimension, 1);
    if (!Number.isSafeInteger(weights.elements + elements)) throw new Error("has constants of impossible shapes");
    weights.elements += elements;
    if (dimensions.length < 2) return;
    const group = dimensions.length > 2 ? last : -1;
    weights.groups.set(group, (weights.groups.get(group) ?? 0) + elements);
  }
}

function wholeNumber(text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new Error("has constants with impossible sizes");
  return value;
}
