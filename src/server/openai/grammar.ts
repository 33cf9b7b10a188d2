import { ProxyError } from "../../core/errors.ts";
import type { Grammar } from "../../core/request.ts";
import { checkedGrammar, JSON_OBJECT } from "../grammar.ts";
import type { ChatRequest, ResponseFormat } from "./schema.ts";

/**
 * What a request forces its answer into: OpenAI's response_format, or vLLM's structured_outputs and the guided_ fields
 * that came before it.
 * @throws ProxyError invalid_request (several at once, or none where one is announced), invalid_grammar
 */
export function grammarOf(request: ChatRequest): Grammar | undefined {
  const { response_format: format, structured_outputs: outputs } = request;
  const given: (readonly [param: string, Grammar])[] = [];
  const add = (param: string, kind: Exclude<Grammar["kind"], "json">, value: unknown) => {
    if (value === undefined || value === null) return;
    // A schema may come as an object or as its JSON text.
    given.push([param, { kind, source: typeof value === "string" ? value : JSON.stringify(value) }]);
  };
  if (format) given.push(...formatted(format));
  if (outputs?.json_object) given.push(["structured_outputs.json_object", { kind: "json" }]);
  add("structured_outputs.json", "json_schema", outputs?.json);
  add("structured_outputs.regex", "regex", outputs?.regex);
  add("structured_outputs.grammar", "ebnf", outputs?.grammar);
  add("structured_outputs.structural_tag", "structural_tags", currentTag(outputs?.structural_tag));
  add("guided_json", "json_schema", request.guided_json);
  add("guided_regex", "regex", request.guided_regex);
  add("guided_grammar", "ebnf", request.guided_grammar);
  const [first, second] = given;
  if (!first) return undefined;
  if (second)
    throw new ProxyError(
      "invalid_request",
      `${second[0]} cannot be combined with ${first[0]}; send only one of them.`,
      {
        param: second[0],
      },
    );
  const [param, grammar] = first;
  return checkedGrammar(grammar, param);
}

function formatted(format: ResponseFormat): readonly (readonly [string, Grammar])[] {
  switch (format.type) {
    case "text":
      return [];
    case "json_object":
      return [["response_format", JSON_OBJECT]];
    case "json_schema": {
      const param = "response_format.json_schema.schema";
      const schema = format.json_schema?.schema;
      if (schema === undefined || schema === null)
        throw new ProxyError("invalid_request", `${param} is required`, { param });
      return [[param, { kind: "json_schema", source: JSON.stringify(schema) }]];
    }
    case "structural_tag":
      return [["response_format", { kind: "structural_tags", source: JSON.stringify(currentTag(format)) }]];
  }
}

/**
 * A structural tag as the engine's grammar library takes it. The older form of vLLM's API, `structures` that each begin
 * at one of the `triggers`, is written in the newer one; whatever else is there is the library's to judge.
 */
function currentTag(tag: unknown): unknown {
  const { structures, triggers } = (typeof tag === "object" && tag !== null ? tag : {}) as Record<string, unknown>;
  if (!Array.isArray(structures)) return tag;
  const tags = structures.map((structure: { begin?: unknown; schema?: unknown; end?: unknown } | null) => ({
    begin: structure?.begin,
    content: { type: "json_schema", json_schema: structure?.schema ?? true },
    end: structure?.end,
  }));
  return { type: "structural_tag", format: { type: "triggered_tags", triggers, tags } };
}
