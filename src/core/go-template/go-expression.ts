/** Expressions inside the `{{ }}` of a Go template: fields, variables, literals, calls and pipelines. Pure. */
import { ProxyError } from "../errors.ts";
import type { Token } from "./go-source.ts";

export type Expression =
  | { readonly kind: "literal"; readonly value: unknown }
  /** `.A.B`, `$x.A`, `(…).A`; without fields it is its base. */
  | { readonly kind: "fields"; readonly of: Expression; readonly names: readonly string[] }
  | { readonly kind: "dot" }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "call"; readonly name: string; readonly arguments: readonly Expression[] };

/** Where an expression is evaluated. */
export interface Scope {
  readonly dot: unknown;
  variable(name: string): unknown;
  /** Counts work, of a unit a step; throws when a template asks for too much of it. */
  spend(units: number): void;
}

const MAX_DEPTH = 50;

/** What Ollama fills in: its template values, messages, tools and tool calls (template/template.go, api/types.go). */
const FIELDS: ReadonlySet<string> = new Set(
  (
    "System Prompt Response Suffix Messages Tools Think ThinkLevel IsThinkSet Role Content Thinking Images ToolCalls " +
    "ToolName ToolCallID ID Function Index Name Description Parameters Arguments Type Properties Required Items Enum"
  ).split(" "),
);

export function invalidTemplate(what: string): ProxyError {
  return new ProxyError(
    "invalid_template",
    `The Go template cannot be used: ${what}. It may have Ollama's fields, variables, if, with, range, and the functions ` +
      `${Object.keys(FUNCTIONS).join(", ")}; anything else can be written as a Jinja template.`,
    { param: "template" },
  );
}

/** Whether a word is a function that a template may call. */
export function isFunction(word: string): boolean {
  return word === "and" || word === "or" || Object.hasOwn(FUNCTIONS, word);
}

/**
 * Parses all tokens as one pipeline: `f a b | g c` is `g c (f a b)`.
 * @param known whether a variable is declared at this place
 * @throws ProxyError invalid_template naming what is not supported
 */
export function parseExpression(tokens: readonly Token[], known: (variable: string) => boolean): Expression {
  const parser = new ExpressionParser(tokens, known);
  const expression = parser.pipeline(1);
  parser.end();
  return expression;
}

class ExpressionParser {
  readonly #tokens: readonly Token[];
  readonly #known: (variable: string) => boolean;
  #at = 0;

  constructor(tokens: readonly Token[], known: (variable: string) => boolean) {
    this.#tokens = tokens;
    this.#known = known;
  }

  end(): void {
    const token = this.#tokens[this.#at];
    if (token) throw invalidTemplate(`"${token.text}" is not expected there`);
  }

  pipeline(depth: number): Expression {
    let expression = this.#command(depth, undefined);
    for (let deeper = depth + 1; this.#take("|"); deeper++) expression = this.#command(deeper, expression);
    return expression;
  }

  #command(depth: number, piped: Expression | undefined): Expression {
    if (depth > MAX_DEPTH) throw invalidTemplate(`its parentheses and pipes nest more than ${MAX_DEPTH} deep`);
    const token = this.#tokens[this.#at];
    if (token?.kind !== "word" || isLiteralWord(token.text)) {
      const operand = this.#operand(depth);
      if (piped) throw invalidTemplate(`what follows "|" must be a function, not "${token?.text}"`);
      return operand;
    }
    this.#at++;
    if (!isFunction(token.text)) throw invalidTemplate(`"${token.text}" is none of its functions`);
    const parameters: Expression[] = [];
    while (this.#startsOperand()) parameters.push(this.#operand(depth));
    if (piped) parameters.push(piped);
    if (parameters.length === 0) throw invalidTemplate(`"${token.text}" is called without a value`);
    return { kind: "call", name: token.text, arguments: parameters };
  }

  #startsOperand(): boolean {
    const token = this.#tokens[this.#at];
    return token !== undefined && (token.kind !== "sign" || token.text === "(");
  }

  #operand(depth: number): Expression {
    const token = this.#tokens[this.#at++];
    if (!token) throw invalidTemplate("an action ends where a value is expected");
    const base = this.#base(token, depth);
    const names: string[] = token.kind === "field" && token.text !== "." ? fieldNames(token.text) : [];
    if (token.kind === "variable" || token.text === "(")
      for (let next = this.#tokens[this.#at]; next?.kind === "field" && next.glued; next = this.#tokens[this.#at]) {
        names.push(...fieldNames(next.text));
        this.#at++;
      }
    return names.length === 0 ? base : { kind: "fields", of: base, names };
  }

  #base(token: Token, depth: number): Expression {
    switch (token.kind) {
      case "field":
        return { kind: "dot" };
      case "variable":
        if (!this.#known(token.text)) throw invalidTemplate(`the variable ${token.text} is not declared`);
        return { kind: "variable", name: token.text };
      case "number":
        return { kind: "literal", value: Number(token.text) };
      case "text":
        return { kind: "literal", value: unquoted(token.text) };
      case "word":
        if (isLiteralWord(token.text))
          return { kind: "literal", value: token.text === "nil" ? undefined : token.text === "true" };
        throw invalidTemplate(`"${token.text}" stands where a value is expected`);
      case "sign": {
        if (token.text !== "(") throw invalidTemplate(`"${token.text}" stands where a value is expected`);
        const inner = this.pipeline(depth + 1);
        if (!this.#take(")")) throw invalidTemplate("a parenthesis is not closed");
        return inner;
      }
    }
  }

  #take(sign: string): boolean {
    const token = this.#tokens[this.#at];
    const found = token?.kind === "sign" && token.text === sign;
    if (found) this.#at++;
    return found;
  }
}

function isLiteralWord(word: string): boolean {
  return word === "true" || word === "false" || word === "nil";
}

function fieldNames(text: string): string[] {
  const names = text.slice(1).split(".");
  const unknown = names.find((name) => !FIELDS.has(name));
  if (unknown !== undefined) throw invalidTemplate(`".${unknown}" is none of its fields`);
  return names;
}

function unquoted(literal: string): string {
  if (literal.startsWith("`")) return literal.slice(1, -1);
  try {
    // Go's escapes beyond JSON's: \a \v \' and \x41.
    const json = literal.replace(/\\(?:x([0-9a-fA-F]{2})|(.))/gs, (whole, hex: string | undefined, letter = "") =>
      hex ? `\\u00${hex}` : letter === "a" ? "\\u0007" : letter === "v" ? "\\u000b" : letter === "'" ? "'" : whole,
    );
    return JSON.parse(json) as string;
  } catch {
    throw invalidTemplate(`${literal} is no string`);
  }
}

/** The value of an expression. @throws ProxyError invalid_template where its types do not allow it */
export function evaluate(expression: Expression, scope: Scope): unknown {
  scope.spend(1);
  switch (expression.kind) {
    case "literal":
      return expression.value;
    case "dot":
      return scope.dot;
    case "variable":
      return scope.variable(expression.name);
    case "fields":
      return expression.names.reduce(fieldOf, evaluate(expression.of, scope));
    case "call": {
      const { name, arguments: parameters } = expression;
      // Like Go's, these two evaluate no more than they need, and give the deciding value, not a boolean.
      if (name === "and" || name === "or") {
        let value: unknown;
        for (const parameter of parameters) {
          value = evaluate(parameter, scope);
          if (isTrue(value, scope) === (name === "or")) return value;
        }
        return value;
      }
      const called = FUNCTIONS[name];
      if (!called) throw invalidTemplate(`"${name}" is none of its functions`);
      return called(
        parameters.map((parameter) => evaluate(parameter, scope)),
        scope,
      );
    }
  }
}

/** Go's truth: not false, 0, nil, and not empty. */
export function isTrue(value: unknown, scope: Pick<Scope, "spend">): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return typeof value === "object" && value !== null ? sizeOf(value, scope) > 0 : Boolean(value);
}

/** To list keys costs, however few of them are looked at. */
function sizeOf(value: object, scope: Pick<Scope, "spend">): number {
  const { length } = Object.keys(value);
  scope.spend(length);
  return length;
}

/** As an action prints it: tools and arguments are JSON, as Ollama's are; nothing is "". */
export function printed(value: unknown, scope: Pick<Scope, "spend">): string {
  if (value === undefined || value === null) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  scope.spend(text.length >> 6);
  return text;
}

/** A field by Go's name or by the name that its JSON has: .ToolCalls is tool_calls. */
function fieldOf(value: unknown, name: string): unknown {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object" || Array.isArray(value))
    throw invalidTemplate(`".${name}" is asked of ${kindOf(value)}`);
  const snake = name.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
  const key = [name, snake].find((candidate) => Object.hasOwn(value, candidate));
  return key === undefined ? undefined : (value as Record<string, unknown>)[key];
}

type Function = (values: readonly unknown[], scope: Scope) => unknown;

const FUNCTIONS: Readonly<Record<string, Function>> = {
  not: ([value], scope) => !isTrue(value, scope),
  eq: ([value, ...others], scope) => others.some((other) => isSame(value, other, scope)),
  ne: ([a, b], scope) => !isSame(a, b, scope),
  lt: ([a, b], scope) => order("lt", a, b, scope) < 0,
  le: ([a, b], scope) => order("le", a, b, scope) <= 0,
  gt: ([a, b], scope) => order("gt", a, b, scope) > 0,
  ge: ([a, b], scope) => order("ge", a, b, scope) >= 0,
  len: ([value], scope) => {
    if (typeof value === "object" && value !== null) return sizeOf(value, scope);
    if (typeof value === "string") {
      scope.spend(value.length >> 6);
      return new TextEncoder().encode(value).length;
    }
    throw invalidTemplate(`len is asked of ${kindOf(value)}`);
  },
  index: ([value, ...keys]) =>
    keys.reduce((inner: unknown, key) => {
      if (Array.isArray(inner) && typeof key === "number" && key in inner) return inner[key] as unknown;
      if (inner && typeof inner === "object" && typeof key === "string")
        return Object.hasOwn(inner, key) ? (inner as Record<string, unknown>)[key] : undefined;
      throw invalidTemplate(`index asks for ${JSON.stringify(key)} of ${kindOf(inner)}`);
    }, value),
  slice: ([value, from = 0, to], scope) => {
    const end = to ?? (value as { length?: unknown } | undefined)?.length;
    if ((typeof value === "string" || Array.isArray(value)) && isRange(from, end, value.length)) {
      scope.spend((end as number) >> 6);
      return value.slice(from as number, end as number) as unknown;
    }
    throw invalidTemplate(`slice asks for ${String(from)} to ${String(end)} of ${kindOf(value)}`);
  },
  json: ([value], scope) => {
    const text = JSON.stringify(value ?? null);
    scope.spend(text.length >> 6);
    return text;
  },
  print: (values, scope) => values.map((value) => printed(value, scope)).join(""),
};

function isRange(from: unknown, to: unknown, length: number): boolean {
  const [first, end] = [Number(from), Number(to)];
  return Number.isInteger(from) && Number.isInteger(to) && 0 <= first && first <= end && end <= length;
}

function isSame(a: unknown, b: unknown, scope: Scope): boolean {
  if (typeof a === "string" && typeof b === "string") scope.spend(a.length >> 6);
  return (a ?? undefined) === (b ?? undefined);
}

function order(name: string, a: unknown, b: unknown, scope: Scope): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== "string" || typeof b !== "string")
    throw invalidTemplate(`${name} compares ${kindOf(a)} with ${kindOf(b)}`);
  scope.spend(a.length >> 6);
  return a < b ? -1 : a > b ? 1 : 0;
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  return Array.isArray(value)
    ? `a list of ${value.length}`
    : typeof value === "object"
      ? "an object"
      : `a ${typeof value}`;
}
