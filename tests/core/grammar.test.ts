import { expect, test } from "bun:test";
import { ProxyError } from "../../src/core/errors.ts";
import { checkGrammar } from "../../src/core/grammar/grammar.ts";
import type { Grammar } from "../../src/core/request.ts";

const schema = (value: unknown): Grammar => ({ kind: "json_schema", source: JSON.stringify(value) });
const regex = (source: string): Grammar => ({ kind: "regex", source });
const ebnf = (source: string): Grammar => ({ kind: "ebnf", source });
const tags = (value: unknown): Grammar => ({ kind: "structural_tags", source: JSON.stringify(value) });
const names = (count: number) => Array.from({ length: count }, (_, i) => `p${i}`);
const fields = (count: number) => Object.fromEntries(names(count).map((name) => [name, { type: "string" }]));
const arrays = (depth: number): unknown =>
  depth === 1 ? { type: "null" } : { type: "array", items: arrays(depth - 1) };
/** Each definition holds the next one twice: 2^depth nodes in a few lines. */
const doubling = (depth: number) => ({
  $ref: "#/$defs/d0",
  $defs: Object.fromEntries(
    Array.from({ length: depth }, (_, i) => [
      `d${i}`,
      i === depth - 1
        ? { type: "string" }
        : { anyOf: [{ $ref: `#/$defs/d${i + 1}` }, { type: "array", items: { $ref: `#/$defs/d${i + 1}` } }] },
    ]),
  ),
});

function refusalOf(grammar: Grammar): ProxyError | undefined {
  try {
    checkGrammar(grammar);
    return undefined;
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(ProxyError);
    return thrown as ProxyError;
  }
}

const GOOD: readonly (readonly [string, Grammar])[] = [
  ["any JSON", { kind: "json" }],
  ["no constraint", schema({})],
  ["true", schema(true)],
  [
    "an ordinary object",
    schema({
      type: "object",
      properties: {
        name: { type: "string", minLength: 1, maxLength: 40, pattern: "^\\p{L}+$" },
        age: { type: ["integer", "null"], minimum: 0, maximum: 0 },
        kind: { enum: ["a", 1, null] },
        tags: { type: "array", items: { $ref: "#/$defs/tag~1name" }, minItems: 1, maxItems: 1 },
        more: { $ref: "#/$defs/tag~1name" },
      },
      required: ["name"],
      additionalProperties: false,
      $defs: { "tag/name": { type: "string" }, unused: { $ref: "#" } },
    }),
  ],
  ["a tuple of the old drafts, closed", schema({ type: "array", items: [{ const: 1 }], additionalItems: false })],
  ["32 schemas deep", schema(arrays(32))],
  ["512 members", schema({ enum: names(512) })],
  ["128 optional properties", schema({ type: "object", properties: fields(128) })],
  ["256 required ones", schema({ type: "object", properties: fields(256), required: names(256) })],
  ["names that objects inherit", schema({ type: "object", properties: { constructor: { type: "null" } } })],
  ["a definition used twice", schema({ allOf: [{ $ref: "#/$defs/a" }, { $ref: "#/$defs/a" }], $defs: { a: {} } })],
  ["a regular expression", regex("(?:[A-F]{3}|\\d{1,1000})-(?<year>[0-9]{4})\\.?[)({]*")],
  ["optional parts apart", regex("(\\[ ]?a?b\\s*){20}".repeat(10) + ".?,".repeat(100))],
  ["16 optional parts in a row", regex("[a-z]?".repeat(16))],
  ["syntax that only older expressions have", regex("\\-{a}")],
  ["a grammar", ebnf('root ::= number (" + " number){2} "{9999}" [{}] # {9999}\nnumber ::= [1-9] [0-9]?')],
  [
    "a structural tag",
    tags({
      type: "structural_tag",
      format: { type: "tag", begin: "<f>", content: { type: "json_schema", json_schema: {} }, end: "</f>" },
    }),
  ],
];

test.each(GOOD)("within bounds: %s", (_, grammar) => {
  expect(refusalOf(grammar)?.message).toBeUndefined();
});

const BAD: readonly (readonly [string, Grammar, RegExp])[] = [
  ["no JSON", { kind: "json_schema", source: "{" }, /not valid JSON/],
  ["too many bytes", schema({ description: "ü".repeat(8200) }), /16418 bytes; at most 16384/],
  ["too many bytes of a regex", regex("a".repeat(16_385)), /16385 bytes/],
  ["too many bytes of a grammar", ebnf(`root ::= "${"a".repeat(16_384)}"`), /bytes/],
  ["JSON nested very deep", { kind: "json_schema", source: `${"[".repeat(8000)}${"]".repeat(8000)}` }, /100 deep/],
  ["33 schemas deep", schema(arrays(33)), /more than 32 schemas deep/],
  ["deep by references", schema(doubling(33)), /more than 32 schemas deep/],
  ["not a schema", schema({ properties: { a: 5 } }), /#\/properties\/a must be an object/],
  ["false", schema(false), /at # is false/],
  ["false inside", schema({ anyOf: [{}, false] }), /#\/anyOf\/1 is false/],
  ["no alternatives", schema({ anyOf: [] }), /#\/anyOf must be an array/],
  ["a wrong type", schema({ properties: { "a/b~": { type: "text" } } }), /#\/properties\/a~1b~0\/type must be one of/],
  ["a type that objects inherit", schema({ type: "constructor" }), /#\/type must be one of/],
  ["no types", schema({ type: [] }), /#\/type must be one of/],
  ["an empty enum", schema({ items: { enum: [] } }), /#\/items\/enum must be an array/],
  ["a cycle", schema({ properties: { next: { $ref: "#" } } }), /#\/properties\/next\/\$ref is a cycle: # /],
  [
    "a cycle of two",
    schema({
      $ref: "#/$defs/a",
      $defs: { a: { items: { $ref: "#/$defs/b" } }, b: { items: { $ref: "#/$defs/a" } } },
    }),
    /#\/\$defs\/b\/items\/\$ref is a cycle: #\/\$defs\/a/,
  ],
  ["a reference to itself", schema({ $ref: "#" }), /#\/\$ref is a cycle/],
  ["a remote reference", schema({ $ref: "http://example.com/a.json" }), /\$ref must be "#" or begin with "#\/"/],
  ["a reference by anchor", schema({ $ref: "#tag" }), /\$ref must be "#"/],
  ["a missing reference", schema({ $ref: "#/$defs/none" }), /leads to nothing: there is no #\/\$defs\/none/],
  ["a reference to what objects inherit", schema({ $ref: "#/__proto__" }), /leads to nothing/],
  ["a reference that is no pointer", schema({ $ref: "#/%zz" }), /leads to nothing/],
  ["exponential", schema(doubling(14)), /has \d{3,} properties, enum members and alternatives; at most 512/],
  ["513 members", schema({ items: { enum: names(513) } }), /#\/items has 513 /],
  ["129 optional properties", schema({ properties: fields(129) }), /#\/properties has 129 that are not required/],
  ["513 required ones", schema({ properties: { ...fields(300) }, required: names(300), enum: names(213) }), /has 513 /],
  ["crossed items", schema({ minItems: 2, maxItems: 1 }), /#\/minItems is larger than maxItems/],
  ["crossed lengths", schema({ minLength: 2, maxLength: 1 }), /minLength is larger/],
  ["crossed numbers", schema({ minimum: 5, maximum: 1.5 }), /minimum is larger/],
  ["many items", schema({ maxItems: 10_001 }), /#\/maxItems must be a whole number from 0 to 10000/],
  ["many characters", schema({ minLength: 1e9 }), /#\/minLength must be/],
  ["half an item", schema({ minItems: 0.5 }), /#\/minItems must be/],
  ["a bad pattern", schema({ pattern: "(" }), /#\/pattern is not a valid regular expression/],
  ["a bad name pattern", schema({ patternProperties: { "[": {} } }), /patternProperties is not a valid/],
  ["a pattern that looks ahead", schema({ pattern: "(?=a)b" }), /#\/pattern looks ahead/],
  ["an invalid expression", regex("a{2,1}"), /not a valid/],
  ["looking ahead", regex("a(?!b)"), /looks ahead or behind/],
  ["looking behind", regex("(?<=a)b"), /looks ahead or behind/],
  ["a reference back", regex("(a)\\1"), /refers back/],
  ["a named reference back", regex("(?<x>a)\\k<x>"), /refers back/],
  ["many repetitions", regex("a{1001}"), /1001 times; at most 1000/],
  ["no end of repetitions", regex(`a{${"9".repeat(400)},}`), /at most 1000/],
  ["repetitions of repetitions", regex("((a{10}){100}){100}"), /repeats 9\d{4} parts when written out/],
  ["repetitions one after the other", regex("(ab){900}".repeat(3)), /written out/],
  ["optional parts in a row", regex(".?".repeat(17)), /more than 16 optional parts in a row/],
  ["optional repetitions in a row", regex(".{0,1}.*".repeat(9)), /in a row/],
  ["empty alternatives in a row", regex("(a|)(|b)".repeat(9)), /in a row/],
  ["optional groups in a row", regex("(ab)?".repeat(17)), /in a row/],
  ["deep groups", regex("(".repeat(33) + ")".repeat(33)), /nests groups more than 32 deep/],
  ["an empty grammar", ebnf(" \n"), /is empty/],
  ["a grammar of repetitions", ebnf('root ::= ([a-z] [^x]{1000}){1000} "a"'), /written out/],
  ["a bad schema in a structural tag", tags({ format: { tags: [{ content: { json_schema: false } }] } }), /is false/],
  ["a bad pattern in a structural tag", tags({ format: { type: "regex", pattern: "a{9999}" } }), /9999 times/],
  ["a bad grammar in a structural tag", tags({ format: { type: "grammar", grammar: "" } }), /is empty/],
  [
    "many schemas in a structural tag",
    tags({ format: { tags: [300, 300].map((n) => ({ json_schema: { enum: names(n) } })) } }),
    /have 600 /,
  ],
];

test.each(BAD)("refused, with the place: %s", (_, grammar, words) => {
  const refusal = refusalOf(grammar);
  expect(refusal?.code).toBe("invalid_grammar");
  expect(refusal?.message).toMatch(words);
  expect(refusal?.message.length).toBeLessThan(400);
});

test("keys called __proto__ are keys like any other", () => {
  const source = '{"type":"object","properties":{"__proto__":{"type":"nonsense"}},"__proto__":{"type":"string"}}';
  expect(refusalOf({ kind: "json_schema", source })?.message).toContain("#/properties/__proto__/type");
  expect(refusalOf({ kind: "json_schema", source: '{"__proto__":{"$ref":"#/none"}}' })).toBeUndefined();
});

test("the order of keys decides nothing", () => {
  const one = { $defs: { a: { enum: [] } }, properties: { x: { $ref: "#/$defs/a" } }, type: "object" };
  const other = Object.fromEntries(Object.entries(one).reverse());
  expect(refusalOf(schema(one))?.message).toBe(refusalOf(schema(other))?.message as string);
});
