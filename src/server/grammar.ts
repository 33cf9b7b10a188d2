import { ProxyError } from "../core/errors.ts";
import { checkGrammar } from "../core/grammar/grammar.ts";
import type { Grammar } from "../core/request.ts";

/** JSON mode: both APIs promise an object, not any value. */
export const JSON_OBJECT: Grammar = { kind: "json_schema", source: '{"type":"object"}' };

/**
 * A grammar that is within bounds.
 * @param param the field of the request that it came in
 * @throws ProxyError invalid_grammar
 */
export function checkedGrammar(grammar: Grammar, param: string): Grammar {
  try {
    checkGrammar(grammar);
  } catch (thrown) {
    if (!(thrown instanceof ProxyError)) throw thrown;
    throw new ProxyError(thrown.code, thrown.message, { param });
  }
  return grammar;
}
