/** What an input's vector is remembered by: everything that it depends on, hashed. Pure. */
import type { Model, Purpose } from "../model.ts";
import { type DeviceInfo, deviceClass } from "../request.ts";
import type { EncoderInput } from "./embedding.ts";

/** A text's hash of at least 128 bits, as 32 or more hex digits: two texts never share one in practice. */
export type Hash = (text: string) => string;

/**
 * Makes the keys of inputs that one request asks of one model on one device. The model's digest changes with its files; NPU, GPU
 * and CPU calculate in other precisions, so that one's vectors are not mixed with another's.
 */
export function keysOn(
  hash: Hash,
  { digest, instructions }: Pick<Model, "digest" | "instructions">,
  { name, emulated }: DeviceInfo,
  purpose: Purpose | undefined,
): (input: EncoderInput) => string {
  const instruction = (purpose && instructions?.[purpose]) ?? "";
  const scope = hash(JSON.stringify([digest, deviceClass(name), emulated, instruction]));
  return (input) => (typeof input === "string" ? `${scope}t${hash(input)}` : `${scope}i${hash(input.join(" "))}`);
}
