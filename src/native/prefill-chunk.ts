/**
 * How many prompt tokens one engine step may take. A step cannot be interrupted: a cancel, or a newcomer, waits for it. So
 * a chunk is what this machine prefills in under about a second, measured at load.
 */
import { deviceClass } from "../core/request.ts";

/** What a placement is loaded with before anything was measured; GenAI's own default. */
export const FIRST_CHUNK = 256;
const SMALLEST = 32;
/** Larger chunks bring CPUs nothing (within 5 % from 256 to 2048 on two cores) and a GPU some. */
const LARGEST = { CPU: 256, GPU: 2048, NPU: 1024 } as const;
/** Of the second that a chunk may take, in ns: the rest is for slower, longer contexts. */
const BUDGET_NS = 0.8e9;

/** @param ns how long a prefill of `tokens` tokens took */
export function prefillChunk(device: string, tokens: number, ns: number): number {
  const affordable = (tokens / Math.max(ns, 1)) * BUDGET_NS;
  const power = 2 ** Math.floor(Math.log2(Math.max(affordable, 1)));
  return Math.min(Math.max(power, SMALLEST), LARGEST[deviceClass(device)]);
}
