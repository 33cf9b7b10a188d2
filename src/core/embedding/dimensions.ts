/** Shorter vectors than a model's own: their beginning, where the model was trained for that (Matryoshka). Pure. */
import { ProxyError } from "../errors.ts";
import type { Model } from "../model.ts";

/** More than any model has; a model that does not tell its own is no reason to make room for more. */
const MOST_DIMENSIONS = 65_536;

/**
 * @param asked undefined: the model's own
 * @param own what its vectors have; 0: not known yet
 * @throws ProxyError invalid_request
 */
export function checkDimensions(asked: number | undefined, own: number, { name, shortens }: Model): void {
  if (asked === undefined || (asked === own && own > 0)) return;
  const refuse = (what: string): ProxyError => new ProxyError("invalid_request", what, { param: "dimensions" });
  if (!Number.isInteger(asked) || asked < 1)
    throw refuse(`${asked} dimensions are asked for. Expected a whole number, 1 or more.`);
  if (asked > MOST_DIMENSIONS) throw refuse(`${asked} dimensions are asked for. Expected ${MOST_DIMENSIONS} at most.`);
  if (own === 0) return;
  const has = `${asked} dimensions are asked for, and vectors of '${name}' have ${own}`;
  if (asked > own) throw refuse(`${has}. Ask for ${own} or fewer, or leave the number out.`);
  if (!shortens) throw refuse(`${has}; it was not trained for shorter ones. Ask for ${own}, or leave the number out.`);
}

/**
 * The vectors themselves, or their beginnings, of length 1. A vector that is there many times has one beginning: a request
 * may be one text a hundred thousand times.
 */
export function shortened(vectors: readonly Float32Array[], dimensions: number | undefined): readonly Float32Array[] {
  if (dimensions === undefined) return vectors;
  const beginnings = new Map<Float32Array, Float32Array>();
  return vectors.map((vector) => {
    const made = beginnings.get(vector);
    if (made) return made;
    const beginning = dimensions < vector.length ? normalized(vector.slice(0, dimensions)) : vector;
    beginnings.set(vector, beginning);
    return beginning;
  });
}

/** Brings a vector to length 1, in place; one of zeros stays. */
export function normalized(vector: Float32Array): Float32Array {
  let sum = 0;
  for (const value of vector) sum += value * value;
  const length = Math.sqrt(sum);
  if (length > 0) for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] ?? 0) / length;
  return vector;
}
