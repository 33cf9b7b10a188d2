/** Renders a parsed Go template over data. Pure: nothing outside the data is reachable. */
import { type Expression, evaluate, invalidTemplate, isTrue, printed, type Scope } from "./go-expression.ts";
import type { Body, Branch, GoTemplate, Node } from "./go-template.ts";

/** Longest output, in UTF-16 units, and most steps of a rendering. */
const MAX_OUTPUT = 1 << 24;
const MAX_STEPS = 1_000_000;

/**
 * Renders a template.
 * @param data what `.` and `$` are: System, Prompt, Response, Messages, Tools …
 * @param until a field of `data` whose printing ends the text: an answer is to follow there
 * @throws ProxyError invalid_template where the data's types do not allow it or it grows beyond its bounds
 */
export function renderGoTemplate(template: GoTemplate, data: unknown, until?: string): string {
  return new Rendering(data, until).render(template.body);
}

/** How a body ended: by itself, or on its way out of a loop or of everything. */
type Ending = "through" | "break" | "continue" | "stop";

class Rendering implements Scope {
  dot: unknown;
  readonly #until: string | undefined;
  readonly #variables: { readonly name: string; value: unknown }[];
  #output: string[] = [];
  #length = 0;
  #steps = 0;

  constructor(data: unknown, until: string | undefined) {
    this.dot = data;
    this.#until = until;
    this.#variables = [{ name: "$", value: data }];
  }

  render(body: Body): string {
    this.#body(body);
    return this.#output.join("");
  }

  variable(name: string): unknown {
    return this.#variables.findLast((variable) => variable.name === name)?.value;
  }

  spend(units: number): void {
    this.#steps += units;
    if (this.#steps > MAX_STEPS) throw invalidTemplate(`rendering it takes more than ${MAX_STEPS} steps`);
  }

  #body(body: Body): Ending {
    const declared = this.#variables.length;
    let ending: Ending = "through";
    for (const node of body) {
      ending = this.#node(node);
      if (ending !== "through") break;
    }
    this.#variables.length = declared;
    return ending;
  }

  #node(node: Node): Ending {
    this.spend(1);
    switch (node.kind) {
      case "text":
        return this.#write(node.text);
      case "print":
        this.#write(printed(evaluate(node.value, this), this));
        return this.#until !== undefined && mentions(node.value, this.#until) ? "stop" : "through";
      case "declare":
        this.#variables.push({ name: node.variable, value: evaluate(node.value, this) });
        return "through";
      case "assign": {
        const value = evaluate(node.value, this);
        const variable = this.#variables.findLast(({ name }) => name === node.variable);
        if (variable) variable.value = value;
        return "through";
      }
      case "if":
      case "with":
        return this.#choice(node.branches, node.otherwise, node.kind === "with");
      case "range":
        return this.#range(node);
      case "break":
      case "continue":
        return node.kind;
    }
  }

  #choice(branches: readonly Branch[], otherwise: Body, setsDot: boolean): Ending {
    const declared = this.#variables.length;
    let ending: Ending | undefined;
    for (const { test, variable, body } of branches) {
      const value = evaluate(test, this);
      if (variable !== undefined) this.#variables.push({ name: variable, value });
      if (!isTrue(value, this)) continue;
      ending = this.#within(setsDot ? value : this.dot, body);
      break;
    }
    ending ??= this.#body(otherwise);
    this.#variables.length = declared;
    return ending;
  }

  #range({ over, variables, body, otherwise }: Extract<Node, { kind: "range" }>): Ending {
    const value = evaluate(over, this);
    const entries = entriesOf(value);
    // Listing them costs, even if the first round ends it all.
    this.spend(entries.length);
    if (entries.length === 0) return this.#body(otherwise);
    const declared = this.#variables.length;
    for (const [key, element] of entries) {
      const values = variables.length === 2 ? [key, element] : [element];
      for (const [i, name] of variables.entries()) this.#variables.push({ name, value: values[i] });
      const ending = this.#within(element, body);
      this.#variables.length = declared;
      if (ending === "stop") return "stop";
      if (ending === "break") break;
    }
    return "through";
  }

  #within(dot: unknown, body: Body): Ending {
    const outer = this.dot;
    this.dot = dot;
    const ending = this.#body(body);
    this.dot = outer;
    return ending;
  }

  #write(text: string): Ending {
    this.#length += text.length;
    if (this.#length > MAX_OUTPUT) throw invalidTemplate(`its text grows beyond ${MAX_OUTPUT} characters`);
    this.#output.push(text);
    return "through";
  }
}

/** Pairs of index or key and element; keys in order, as Go ranges over a map. */
function entriesOf(value: unknown): readonly (readonly [number | string, unknown])[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return [...value.entries()];
  if (typeof value === "object") return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  throw invalidTemplate(`range is asked of a ${typeof value}`);
}

function mentions(expression: Expression, field: string): boolean {
  switch (expression.kind) {
    case "fields":
      return expression.names[0] === field || mentions(expression.of, field);
    case "call":
      return expression.arguments.some((argument) => mentions(argument, field));
    case "dot":
    case "literal":
    case "variable":
      return false;
  }
}
