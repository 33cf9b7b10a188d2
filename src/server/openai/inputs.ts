import type { EncoderInput } from "../../core/embedding/embedding.ts";
import { ProxyError } from "../../core/errors.ts";
import { refuseTooMany } from "../asked-embeddings.ts";

/** More ids than any vocabulary has. */
const MOST_ID = 2 ** 31 - 1;

/**
 * OpenAI's `input`: a text, texts, the token ids of one, or of several. As OpenAI's, it refuses empty ones.
 * @throws ProxyError invalid_request naming the element
 */
export function inputsOf(input: unknown): readonly EncoderInput[] {
  if (input === undefined || input === null) throw wrong("input", "is required");
  const many = Array.isArray(input) && !isIds(input) ? (input as readonly unknown[]) : undefined;
  const inputs = many ?? [input];
  if (inputs.length === 0) throw wrong("input", "must not be empty");
  refuseTooMany(inputs.length, "input");
  const kind = typeof inputs[0];
  for (let at = 0; at < inputs.length; at++) {
    const one = inputs[at];
    const param = many ? `input[${at}]` : "input";
    if (typeof one !== "string" && !Array.isArray(one)) throw wrong(param, "must be a string or an array of token ids");
    if (typeof one !== kind) throw wrong(param, "must be of the same kind as the others");
    if (one.length === 0) throw wrong(param, "must not be empty");
    if (Array.isArray(one) && !one.every(isId)) throw wrong(param, "must have token ids: integers of at least 0");
  }
  return inputs as readonly EncoderInput[];
}

/** One text's token ids: nobody else's elements are numbers. */
function isIds(elements: readonly unknown[]): boolean {
  return typeof elements[0] === "number";
}

function isId(id: unknown): boolean {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) <= MOST_ID;
}

function wrong(param: string, predicate: string): ProxyError {
  return new ProxyError("invalid_request", `${param} ${predicate}`, { param });
}
