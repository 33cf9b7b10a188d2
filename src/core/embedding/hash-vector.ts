/**
 * Vectors without meaning, for whoever would rather have those than an error (NPU_PROXY_EMBEDDING_FALLBACK_MODE=hash). Pure.
 *
 * The first 128 bits of the input's hash are the state of a xoshiro128** generator (Blackman and Vigna, 2018); its n-th number,
 * as a fraction between -1 and 1, is the n-th dimension; then the vector is brought to length 1. So the same input has the
 * same vector on every machine, two different ones are about orthogonal, and similar ones are no closer than others.
 */
import { normalized } from "./dimensions.ts";
import type { EncoderInput } from "./embedding.ts";
import type { Hash } from "./keys.ts";

/** Where a model's own number of dimensions is not known. */
export const USUAL_DIMENSIONS = 384;

export function hashVector(hash: Hash, input: EncoderInput, dimensions: number): Float32Array {
  const random = xoshiro128(hash(typeof input === "string" ? input : input.join(" ")));
  return normalized(Float32Array.from({ length: dimensions }, () => random() / 2 ** 31 - 1));
}

/** Whole numbers from 0 to 2^32 - 1. @param seed 32 hex digits */
function xoshiro128(seed: string): () => number {
  const word = (at: number): number => Number.parseInt(seed.slice(at, at + 8), 16) | 0;
  // A state of zeros would stay one.
  let [a, b, c, d] = [word(0), word(8), word(16), word(24) | 1];
  const turned = (value: number, by: number): number => (value << by) | (value >>> (32 - by));
  return () => {
    const result = Math.imul(turned(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = turned(d, 11);
    return result;
  };
}
