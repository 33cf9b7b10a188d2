/** BERT's arithmetic, written down once more in plain loops: what a converted model is compared with. */
import type { TinyBert } from "./tiny-bert.ts";

type Rows = readonly (readonly number[])[];

/**
 * @param ids token ids, shape [tokens], none of them padding
 * @param types which of two texts each token belongs to; absent: all to the first
 * @returns the token vectors, shape [tokens, hidden]; of a classifier its logits, shape [1, labels]
 */
export function bertForward(bert: TinyBert, ids: readonly number[], types: readonly number[] = []): Rows {
  const prefix = bert.labels === 0 ? "" : `${bert.family}.`;
  const first = bert.family === "bert" ? 0 : 2;
  const embedding = (table: string, row: number): readonly number[] =>
    rowsOf(bert, `${prefix}embeddings.${table}`)[row] ?? [];
  const tokens = ids.map((id, index) =>
    add(
      add(embedding("word_embeddings", id), embedding("position_embeddings", index + first)),
      embedding("token_type_embeddings", types[index] ?? 0),
    ),
  );
  let x: Rows = norm(bert, tokens, `${prefix}embeddings.LayerNorm`);
  for (let layer = 0; layer < bert.layers; layer++) x = encode(bert, x, `${prefix}encoder.layer.${layer}`);
  if (bert.labels === 0) return x;
  const [dense, out] =
    bert.family === "bert" ? ["bert.pooler.dense", "classifier"] : ["classifier.dense", "classifier.out_proj"];
  const mixed = linear(bert, x.slice(0, 1), dense).map((row) => row.map(Math.tanh));
  return linear(bert, mixed, out);
}

function encode(bert: TinyBert, x: Rows, name: string): Rows {
  const [query, key, value] = ["query", "key", "value"].map((part) =>
    linear(bert, x, `${name}.attention.self.${part}`),
  );
  const width = bert.hidden / bert.heads;
  const seen = x.map((_, row) =>
    Array.from({ length: bert.heads }, (_, head) => {
      const part = (rows: Rows | undefined, index: number): readonly number[] =>
        rows?.[index]?.slice(head * width, (head + 1) * width) ?? [];
      const scores = x.map((_, other) => dot(part(query, row), part(key, other)) / Math.sqrt(width));
      const shares = softmax(scores);
      return shares.reduce<readonly number[]>(
        (sum, share, other) =>
          add(
            sum,
            part(value, other).map((number) => share * number),
          ),
        new Array<number>(width).fill(0),
      );
    }).flat(),
  );
  const attended = linear(bert, seen, `${name}.attention.output.dense`).map((row, index) => add(row, x[index] ?? []));
  const middle = norm(bert, attended, `${name}.attention.output.LayerNorm`);
  const inner = linear(bert, middle, `${name}.intermediate.dense`).map((row) => row.map(gelu));
  const outer = linear(bert, inner, `${name}.output.dense`).map((row, index) => add(row, middle[index] ?? []));
  return norm(bert, outer, `${name}.output.LayerNorm`);
}

function rowsOf(bert: TinyBert, table: string): Rows {
  const { shape, values } = weight(bert, `${table}.weight`);
  const [rows = 0, columns = 0] = shape;
  return Array.from({ length: rows }, (_, row) => [...values.subarray(row * columns, (row + 1) * columns)]);
}

function linear(bert: TinyBert, x: Rows, name: string): Rows {
  const matrix = rowsOf(bert, name);
  const bias = weight(bert, `${name}.bias`).values;
  return x.map((row) => matrix.map((column, index) => dot(row, column) + (bias[index] ?? 0)));
}

function norm(bert: TinyBert, x: Rows, name: string): Rows {
  const [scale, shift] = [weight(bert, `${name}.weight`).values, weight(bert, `${name}.bias`).values];
  return x.map((row) => {
    const mean = row.reduce((sum, number) => sum + number, 0) / row.length;
    const variance = row.reduce((sum, number) => sum + (number - mean) ** 2, 0) / row.length;
    return row.map(
      (number, at) => ((number - mean) / Math.sqrt(variance + 1e-5)) * (scale[at] ?? 0) + (shift[at] ?? 0),
    );
  });
}

function weight({ weights }: TinyBert, name: string): { shape: readonly number[]; values: Float32Array } {
  const found = weights.get(name);
  if (!found) throw new Error(`There is no weight ${name}.`);
  return found;
}

function softmax(scores: readonly number[]): number[] {
  const powers = scores.map((score) => Math.exp(score - Math.max(...scores)));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function add(left: readonly number[], right: readonly number[]): number[] {
  return left.map((number, index) => number + (right[index] ?? 0));
}

function dot(left: readonly number[], right: readonly number[]): number {
  return left.reduce((sum, number, index) => sum + number * (right[index] ?? 0), 0);
}

function gelu(x: number): number {
  return (x / 2) * (1 + erf(x / Math.SQRT2));
}

/** The error function by its series, which is exact enough for the small numbers here. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
