/** Limits on a JSON Schema before it is compiled: what is bad, cyclic or explosive is refused by its place. Pure. */
import { ProxyError } from "../errors.ts";
import { checkRegex } from "./pattern.ts";

/** Deepest nesting of schemas, `$ref`s followed. */
export const MAX_DEPTH = 32;
/** Properties, enum members and alternatives, `$ref`s followed. */
export const MAX_NODES = 512;
/** Properties of one object that are not required. Measured: 128 compile in 0.05 s, 200 in 0.2 s, 300 in 2 s. */
export const MAX_OPTIONAL = 128;
/** Largest minItems, maxItems, minLength, maxLength, minProperties and maxProperties. */
export const MAX_COUNT = 10_000;

const TYPES: ReadonlySet<unknown> = new Set(["object", "array", "string", "number", "integer", "boolean", "null"]);
const COUNTS = [
  ["minItems", "maxItems"],
  ["minLength", "maxLength"],
  ["minProperties", "maxProperties"],
] as const;

/** Keywords that hold one schema, a list of schemas, and schemas by name. `items` of old drafts is a list too. */
const ONE = ["propertyNames", "contains", "not", "if", "then", "else"] as const;
const ONE_OR_FALSE = [
  "items",
  "additionalItems",
  "unevaluatedItems",
  "additionalProperties",
  "unevaluatedProperties",
] as const;
const ALTERNATIVES = ["anyOf", "oneOf", "allOf"] as const;
const NAMED = ["properties", "patternProperties", "dependentSchemas"] as const;

/** Of one schema with all below it. */
interface Extent {
  readonly nodes: number;
  readonly depth: number;
}

interface Child {
  readonly child: unknown;
  readonly place: string;
  /** Nodes that it adds besides those below it. */
  readonly counts: 0 | 1;
  /** Levels that it lies deeper; 1 where absent. */
  readonly deeper?: 0;
}

type Keywords = Readonly<Record<string, unknown>>;

/**
 * Checks a schema. Each subschema is measured once however many `$ref`s lead to it, so that one which would grow
 * exponentially is found in linear time. A recursive schema is legal JSON Schema, but an engine that is forced along one
 * fills its answer up to the token limit: cycles are refused.
 * @param root parsed JSON
 * @returns its nodes, at most MAX_NODES
 * @throws ProxyError invalid_grammar naming the place by JSON pointer
 */
export function checkSchema(root: unknown): number {
  return new SchemaCheck(root).visit(root, "#", 1).nodes;
}

class SchemaCheck {
  readonly #root: unknown;
  /** What was measured; "open": it is being measured, and whoever comes across it again goes in a circle. */
  readonly #extents = new Map<object, Extent | "open">();

  constructor(root: unknown) {
    this.#root = root;
  }

  visit(schema: unknown, at: string, level: number): Extent {
    if (schema === true) return { nodes: 0, depth: 1 };
    if (schema === false) throw refusal(at, "is false, which no value fits; leave it out");
    if (!isObject(schema)) throw refusal(at, "must be an object");
    const known = this.#extents.get(schema);
    if (known === "open") throw refusal(at, "refers to itself");
    if (level + (known?.depth ?? 1) - 1 > MAX_DEPTH)
      throw refusal(at, `lies more than ${MAX_DEPTH} schemas deep; flatten the schema`);
    if (known) return known;
    this.#extents.set(schema, "open");
    checkKeywords(schema, at);
    let nodes = Array.isArray(schema["enum"]) ? schema["enum"].length : 0;
    let depth = 1;
    for (const { child, place, counts, deeper = 1 } of this.#children(schema, at)) {
      const extent = this.visit(child, place, level + deeper);
      nodes += extent.nodes + counts;
      depth = Math.max(depth, extent.depth + deeper);
    }
    if (nodes > MAX_NODES)
      throw refusal(at, `has ${nodes} properties, enum members and alternatives; at most ${MAX_NODES} are allowed`);
    const extent = { nodes, depth };
    this.#extents.set(schema, extent);
    return extent;
  }

  /** The schemas right below one, and the one that it refers to. */
  *#children(schema: Keywords, at: string): Iterable<Child> {
    const { $ref } = own(schema);
    if ($ref !== undefined) yield { ...this.#target($ref, at), counts: 0, deeper: 0 };
    for (const [keyword, child] of Object.entries(schema)) {
      const place = `${at}/${keyword}`;
      if (includes(ONE, keyword)) yield { child, place, counts: 0 };
      else if (includes(ONE_OR_FALSE, keyword) && !Array.isArray(child)) {
        if (child !== false) yield { child, place, counts: 0 };
      } else if (includes(ALTERNATIVES, keyword) || keyword === "prefixItems" || keyword === "items") {
        if (!Array.isArray(child) || (child.length === 0 && keyword !== "items"))
          throw refusal(place, "must be an array with at least one schema");
        for (const [i, one] of child.entries()) yield { child: one, place: `${place}/${i}`, counts: 1 };
      } else if (includes(NAMED, keyword)) {
        if (!isObject(child)) throw refusal(place, "must be an object");
        for (const [name, one] of Object.entries(child)) {
          const named = `${place}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
          if (keyword === "patternProperties") checkRegex(name, `The name of the pattern at ${shown(place)}`);
          yield { child: one, place: named, counts: 1 };
        }
      }
    }
  }

  #target(ref: unknown, at: string): { child: unknown; place: string } {
    if (typeof ref !== "string" || !/^#(\/|$)/.test(ref))
      throw refusal(`${at}/$ref`, 'must be "#" or begin with "#/": only references within the schema are followed');
    let child: unknown = this.#root;
    for (const step of ref.split("/").slice(1)) {
      const name = unescaped(step);
      if (typeof child !== "object" || child === null || !Object.hasOwn(child, name))
        throw refusal(`${at}/$ref`, `leads to nothing: there is no ${shown(ref)}`);
      child = (child as Keywords)[name];
    }
    if (typeof child === "object" && child !== null && this.#extents.get(child) === "open")
      throw refusal(`${at}/$ref`, `is a cycle: ${shown(ref)} contains it. Write the schema without recursion`);
    return { child, place: ref };
  }
}

function checkKeywords(schema: Keywords, at: string): void {
  const { type, enum: members, pattern, required, properties } = own(schema);
  if (type !== undefined) {
    const types = Array.isArray(type) ? type : [type];
    if (types.length === 0 || !types.every((one) => TYPES.has(one)))
      throw refusal(`${at}/type`, `must be one of ${[...TYPES].join(", ")}, or an array of those`);
  }
  if (members !== undefined && (!Array.isArray(members) || members.length === 0))
    throw refusal(`${at}/enum`, "must be an array with at least one value");
  if (pattern !== undefined) {
    if (typeof pattern !== "string") throw refusal(`${at}/pattern`, "must be a string");
    checkRegex(pattern, `The regular expression at ${shown(`${at}/pattern`)}`);
  }
  for (const [low, high] of COUNTS) {
    for (const name of [low, high]) checkCount(own(schema)[name], `${at}/${name}`);
    checkOrder(schema, low, high, at);
  }
  checkOrder(schema, "minimum", "maximum", at);
  checkOrder(schema, "exclusiveMinimum", "exclusiveMaximum", at);
  if (isObject(properties)) {
    const needed: ReadonlySet<unknown> = new Set(Array.isArray(required) ? required : []);
    const optional = Object.keys(properties).filter((name) => !needed.has(name)).length;
    if (optional > MAX_OPTIONAL)
      throw refusal(
        `${at}/properties`,
        `has ${optional} that are not required; at most ${MAX_OPTIONAL} may be optional`,
      );
  }
}

function checkCount(value: unknown, at: string): void {
  if (value === undefined) return;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > MAX_COUNT)
    throw refusal(at, `must be a whole number from 0 to ${MAX_COUNT}`);
}

function checkOrder(schema: Keywords, low: string, high: string, at: string): void {
  const { [low]: least, [high]: most } = own(schema);
  if (typeof least === "number" && typeof most === "number" && least > most)
    throw refusal(`${at}/${low}`, `is larger than ${high}, so that no value fits`);
}

/** Without what objects inherit: a schema may name anything. */
function own(schema: Keywords): Keywords {
  return Object.assign(Object.create(null), schema);
}

function unescaped(step: string): string {
  try {
    return decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
  } catch {
    return step;
  }
}

function isObject(value: unknown): value is Keywords {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function includes(list: readonly string[], keyword: string): boolean {
  return list.includes(keyword);
}

/** A pointer as an error message shows it: the caller's own words, but not pages of them. */
function shown(pointer: string): string {
  return pointer.length <= 120 ? pointer : `${pointer.slice(0, 119)}…`;
}

function refusal(at: string, what: string): ProxyError {
  return new ProxyError("invalid_grammar", `The schema at ${shown(at)} ${what}.`);
}
