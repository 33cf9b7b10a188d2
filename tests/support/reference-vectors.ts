/** What sentence-transformers made of texts, once (tests/fixtures/embeddings/make.py); and how alike two vectors are. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dir, "..", "fixtures", "embeddings");
const DIMENSIONS = 384;
/** Behind these the texts are longer than all-MiniLM-L6-v2 takes. */
const FITTING = 1000;

export interface Reference {
  readonly text: string;
  /** After the cut, special ones included. */
  readonly tokens: number;
  /** Of length 1. */
  readonly vector: Float32Array;
}

/** Two sentences of one meaning, and a third that has nothing to do with them. */
export type Triple = readonly [sentence: string, similar: string, unrelated: string];

/** 1,000 texts of 3 to 256 tokens; and longer ones. */
export function references(): { readonly fitting: readonly Reference[]; readonly longer: readonly Reference[] } {
  const vectors = new Float32Array(new Uint8Array(readFileSync(join(FOLDER, "vectors.f32"))).buffer);
  const lines = readFileSync(join(FOLDER, "texts.jsonl"), "utf8").trimEnd().split("\n");
  if (vectors.length !== lines.length * DIMENSIONS) throw new Error("texts.jsonl and vectors.f32 do not fit together.");
  const all = lines.map((line, at) => {
    const { text, tokens } = JSON.parse(line) as { text: string; tokens: number };
    return { text, tokens, vector: vectors.subarray(at * DIMENSIONS, (at + 1) * DIMENSIONS) };
  });
  return { fitting: all.slice(0, FITTING), longer: all.slice(FITTING) };
}

export function triples(): readonly Triple[] {
  return JSON.parse(readFileSync(join(FOLDER, "pairs.json"), "utf8")) as Triple[];
}

/** From -1 to 1; NaN where a vector is missing or shorter. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number> = []): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let at = 0; at < a.length; at++) {
    const [x, y] = [a[at] ?? Number.NaN, b[at] ?? Number.NaN];
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return dot / Math.sqrt(aa * bb);
}

/** The same elements in an order that looks random and is always the same. */
export function shuffled<T>(elements: readonly T[], seed = 1): T[] {
  const result = [...elements];
  let state = seed;
  for (let last = result.length - 1; last > 0; last--) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    const other = state % (last + 1);
    [result[last], result[other]] = [result[other] as T, result[last] as T];
  }
  return result;
}
