/** Embeddings as answers have them: of length 1, and as numbers or base64. */
import { ProxyError } from "../core/errors.ts";

/**
 * The Euclidean length of each vector.
 * @throws ProxyError inference_failed where one has a number that is none: no JSON could tell it
 */
export function lengthsOf(vectors: readonly Float32Array[]): Float64Array {
  const lengths = new Float64Array(vectors.length);
  for (const [at, vector] of vectors.entries()) {
    let sum = 0;
    for (let i = 0; i < vector.length; i++) sum += (vector[i] as number) ** 2;
    if (!Number.isFinite(sum))
      throw new ProxyError("inference_failed", "The model gave an embedding with numbers that are none.");
    lengths[at] = Math.sqrt(sum);
  }
  return lengths;
}

/** The vector of length 1 in the same direction; one without a direction stays as it is. */
export function normalized(vector: Float32Array, length: number): Float32Array {
  if (length === 0) return vector;
  const unit = new Float32Array(vector.length);
  for (let i = 0; i < vector.length; i++) unit[i] = (vector[i] as number) / length;
  return unit;
}

/** float32, little-endian, as OpenAI's clients read it. */
export function base64Of(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");
}

/** Longest text of one number, its comma included. */
const LONGEST = 26;
const [COMMA, MINUS, POINT, ZERO] = [",", "-", ".", "0"].map((sign) => sign.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
];
/** The digits of 0 to 999, three bytes each. */
const DIGITS = new TextEncoder().encode(Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, "0")).join(""));
/** Where the text of a vector is put together; only ever used within one call. */
let scratch = Buffer.allocUnsafe(1024 * LONGEST);

/**
 * A JSON array of the numbers, nine significant digits each, which is what brings every float32 back exactly. (As doubles
 * they would have 17, and printing those takes three times as long as all the rest of an answer.)
 */
export function numbersOf(vector: Float32Array): string {
  if (scratch.length < vector.length * LONGEST) scratch = Buffer.allocUnsafe(vector.length * LONGEST);
  const out = scratch;
  let at = 0;
  for (let i = 0; i < vector.length; i++) {
    const value = vector[i] as number;
    if (i > 0) out[at++] = COMMA;
    at = Math.abs(value) < 1 && Math.abs(value) >= 1e-6 ? putFraction(value, out, at) : putAny(value, out, at);
  }
  return `[${out.toString("latin1", 0, at)}]`;
}

/** Of numbers from 0.000001 to 1: "0.", zeros, nine digits. */
function putFraction(value: number, out: Buffer, start: number): number {
  let at = start;
  if (value < 0) out[at++] = MINUS;
  out[at++] = ZERO;
  out[at++] = POINT;
  const size = Math.abs(value);
  let scale = 1e9;
  for (let least = 0.1; size < least && scale < 1e14; least /= 10) {
    out[at++] = ZERO;
    scale *= 10;
  }
  const digits = Math.round(size * scale);
  const millions = (digits / 1e6) | 0;
  const rest = digits - millions * 1e6;
  const thousands = (rest / 1e3) | 0;
  at = putThree(millions, out, at);
  at = putThree(thousands, out, at);
  return putThree(rest - thousands * 1e3, out, at);
}

function putThree(digits: number, out: Buffer, at: number): number {
  out[at] = DIGITS[3 * digits] as number;
  out[at + 1] = DIGITS[3 * digits + 1] as number;
  out[at + 2] = DIGITS[3 * digits + 2] as number;
  return at + 3;
}

function putAny(value: number, out: Buffer, at: number): number {
  return at + out.write(String(Number(value.toPrecision(9))), at, "latin1");
}
