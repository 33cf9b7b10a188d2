import { ProxyError } from "../../core/errors.ts";
import type { Grammar } from "../../core/request.ts";
import { checkedGrammar, JSON_OBJECT } from "../grammar.ts";

/**
 * Ollama's `format`: "json", or a JSON schema; null and "" ask for nothing.
 * @throws ProxyError invalid_request, invalid_grammar
 */
export function formatOf(format: unknown): Grammar | undefined {
  if (format === undefined || format === null || format === "") return undefined;
  if (format === "json") return JSON_OBJECT;
  if (typeof format !== "object" || Array.isArray(format))
    throw new ProxyError("invalid_request", 'invalid format; expected "json" or a valid JSON Schema object', {
      param: "format",
    });
  return checkedGrammar({ kind: "json_schema", source: JSON.stringify(format) }, "format");
}
