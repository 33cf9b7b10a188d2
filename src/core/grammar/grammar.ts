/** Limits on what a client may force an answer into, before the engine's grammar library sees it. Pure. */
import { ProxyError } from "../errors.ts";
import type { Grammar } from "../request.ts";
import { checkSchema, MAX_NODES } from "./json-schema.ts";
import { checkEbnf, checkRegex } from "./pattern.ts";

/** Longest source, in UTF-8 bytes. */
export const MAX_BYTES = 16 * 1024;
/** Deepest nesting of objects and arrays in a source that is JSON: twice that of schemas, and some for values. */
const MAX_NESTING = 100;

/**
 * Refuses a grammar that is bad, cyclic, or so large that compiling it would keep every other request waiting. What
 * passes is in bounds, not yet correct: the engine's own validation comes after.
 * @throws ProxyError invalid_grammar; of a schema naming the place by JSON pointer
 */
export function checkGrammar(grammar: Grammar): void {
  if (grammar.kind === "json") return;
  const { kind, source } = grammar;
  // UTF-8 is never shorter than UTF-16 is long: no need to encode megabytes to refuse them.
  const bytes = source.length > MAX_BYTES ? source.length : new TextEncoder().encode(source).length;
  if (bytes > MAX_BYTES)
    throw new ProxyError("invalid_grammar", `The grammar has ${bytes} bytes; at most ${MAX_BYTES} are allowed.`);
  switch (kind) {
    case "json_schema":
      checkSchema(parse(source, "JSON schema"));
      return;
    case "regex":
      checkRegex(source, "The regular expression");
      return;
    case "ebnf":
      checkEbnf(source, "The grammar");
      return;
    case "structural_tags": {
      const nodes = checkTags(parse(source, "structural tag"));
      if (nodes > MAX_NODES)
        throw new ProxyError(
          "invalid_grammar",
          `The structural tag's schemas have ${nodes} properties, enum members and alternatives; ` +
            `at most ${MAX_NODES} are allowed.`,
        );
    }
  }
}

/** The grammars inside a structural tag, wherever its format nests them. Returns the nodes of its schemas. */
function checkTags(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let nodes = 0;
  for (const [key, inner] of Object.entries(value)) {
    if (key === "json_schema") nodes += checkSchema(inner);
    else if (key === "pattern" && typeof inner === "string") checkRegex(inner, "A regular expression of the tag");
    else if (key === "grammar" && typeof inner === "string") checkEbnf(inner, "A grammar of the tag");
    else nodes += checkTags(inner);
  }
  return nodes;
}

function parse(source: string, what: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch {
    throw new ProxyError("invalid_grammar", `The ${what} is not valid JSON.`);
  }
  if (nests(value, MAX_NESTING))
    throw new ProxyError("invalid_grammar", `The ${what} nests objects and arrays more than ${MAX_NESTING} deep.`);
  return value;
}

/** Whether a value nests deeper than this; looks no deeper than that. */
function nests(value: unknown, deeperThan: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return deeperThan === 0 || Object.values(value).some((inner) => nests(inner, deeperThan - 1));
}
