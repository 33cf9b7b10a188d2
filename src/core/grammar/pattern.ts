/** Limits on regular expressions and EBNF grammars: what they repeat is what compiling them costs. Pure. */
import { ProxyError } from "../errors.ts";

/** Largest count in a `{n,m}`. */
export const MAX_REPETITION = 1000;
/** Parts that all repetitions together may add when written out. Measured: 10,000 take 0.2 s to compile, a million 27 s. */
export const MAX_WRITTEN_OUT = 2000;
/** Optional parts in a row. Measured for `.?`: 16 take 0.02 s to compile, 50 0.9 s, 200 16 s; apart they cost nothing. */
export const MAX_OPTIONAL_RUN = 16;
/** Deepest nesting of groups. */
export const MAX_GROUPS = 32;

const REPETITION = String.raw`\{\s*\d+\s*(?:,\s*\d*\s*)?\}`;
const REGEX_PART = new RegExp(
  String.raw`\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*\]|\((?:\?(?::|<?[=!]|<\w+>))?|${REPETITION}|[\s\S]`,
  "g",
);
const EBNF_PART = new RegExp(
  String.raw`"(?:\\[\s\S]|[^"\\])*"|\[(?:\\[\s\S]|[^\]\\])*\]|#[^\n]*|\s+|[\w.-]+|${REPETITION}|[\s\S]`,
  "g",
);

/**
 * Refuses a regular expression that the engine cannot compile, or not in time.
 * @param place what it is, to begin a sentence with: "The pattern at #/properties/a"
 * @throws ProxyError invalid_grammar
 */
export function checkRegex(source: string, place: string): void {
  const parts = source.match(REGEX_PART) ?? [];
  if (parts.some((part) => /^\(\?<?[=!]$/.test(part)))
    throw refusal(
      place,
      "looks ahead or behind, which the engine's grammars cannot; write it without (?=, (?!, (?<= or (?<!",
    );
  if (parts.some((part) => /^\\[1-9k]/.test(part)))
    throw refusal(place, "refers back to a group, which the engine's grammars cannot; repeat the group itself");
  checkRepetitions(parts, place);
  // Both readings of JSON Schema's "ECMA-262 regular expression" are in use.
  if (!compiles(source, "u") && !compiles(source, ""))
    throw refusal(place, "is not a valid regular expression; test it with a regular expression checker");
}

/** @throws ProxyError invalid_grammar: the repetitions of an EBNF grammar are too large; its syntax is the engine's to check */
export function checkEbnf(source: string, place: string): void {
  if (source.trim() === "") throw refusal(place, "is empty; it needs a rule called root");
  const parts = source.match(EBNF_PART) ?? [];
  checkRepetitions(
    parts.filter((part) => !/^(#|\s)/.test(part)),
    place,
  );
}

/**
 * Counts, in one pass and without writing anything out, the parts that are left when `(ab){3}` is written `ababab`, and
 * the parts in a row that may all be missing, as in `a?b*(c|)`.
 */
function checkRepetitions(parts: readonly string[], place: string): void {
  const around: { readonly size: number; readonly run: number; empty: boolean }[] = [];
  let size = 0; // of the group that is open
  let last = 0; // of the part that a repetition repeats
  let run = 0; // optional parts up to here
  let before = 0; // the same up to the last part
  let previous = "";
  const optional = () => {
    run = before + 1;
    if (run > MAX_OPTIONAL_RUN)
      throw refusal(place, `has more than ${MAX_OPTIONAL_RUN} optional parts in a row; separate or join them`);
  };
  for (const part of parts) {
    if (part.startsWith("(")) {
      around.push({ size, run, empty: false });
      if (around.length > MAX_GROUPS) throw refusal(place, `nests groups more than ${MAX_GROUPS} deep; flatten it`);
      size = 0;
    } else if (part === ")") {
      const group = around.pop();
      last = size;
      size += group?.size ?? 0;
      before = group?.run ?? 0;
      if (group?.empty || previous === "|" || previous.startsWith("(")) optional();
    } else if (part.startsWith("{") && part.length > 1) {
      const counts = (part.match(/\d+/g) ?? []).map(Number);
      const times = Math.max(...counts);
      if (times > MAX_REPETITION)
        throw refusal(place, `repeats something ${times} times; at most ${MAX_REPETITION} are allowed`);
      size += last * (times - 1);
      last *= times;
      if (counts[0] === 0) optional();
    } else if (part === "|") {
      const group = around.at(-1);
      if (group && previous.startsWith("(")) group.empty = true;
      size += 1;
      run = group?.run ?? 0;
    } else if (part === "?" || part === "*") {
      size += 1;
      optional();
    } else if (part === "+") size += 1;
    else {
      size += 1;
      last = 1;
      before = run;
      run = 0;
    }
    previous = part;
  }
  const added = around.reduce((sum, outer) => sum + outer.size, size) - parts.length;
  if (added > MAX_WRITTEN_OUT)
    throw refusal(place, `repeats ${added} parts when written out; at most ${MAX_WRITTEN_OUT} are allowed`);
}

function compiles(source: string, flags: string): boolean {
  try {
    return new RegExp(source, flags) !== undefined;
  } catch {
    return false;
  }
}

function refusal(place: string, what: string): ProxyError {
  return new ProxyError("invalid_grammar", `${place} ${what}.`);
}
