/**
 * Go templates (text/template), as Ollama's Modelfiles have them: text with `{{ }}` actions. Pure: nothing outside the
 * data is reachable. What a template may use beyond this is refused by name when it is parsed.
 */
import { type Expression, invalidTemplate, parseExpression } from "./go-expression.ts";
import { type Piece, pieces, type Token } from "./go-source.ts";

export type Body = readonly Node[];

/** One arm of an if or with: `variable` holds the value of `test` inside it. */
export interface Branch {
  readonly test: Expression;
  readonly variable: string | undefined;
  readonly body: Body;
}

export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "print"; readonly value: Expression }
  | { readonly kind: "declare" | "assign"; readonly variable: string; readonly value: Expression }
  | { readonly kind: "if" | "with"; readonly branches: readonly Branch[]; readonly otherwise: Body }
  | {
      readonly kind: "range";
      readonly over: Expression;
      /** `$index, $element`, or `$element` alone. */
      readonly variables: readonly string[];
      readonly body: Body;
      readonly otherwise: Body;
    }
  | { readonly kind: "break" | "continue" };

export interface GoTemplate {
  readonly body: Body;
  /** First names of the fields that it uses anywhere: "Messages", "Response". */
  readonly fields: ReadonlySet<string>;
}

/** Longest source, in UTF-16 units, and deepest nesting of blocks. */
const MAX_SOURCE = 64 * 1024;
const MAX_DEPTH = 50;

/** Whether a chat template is one of Go's and not Jinja, which has the same braces: Go's fields begin with a dot, and its
 *  functions take what follows them without brackets. */
export function isGoTemplate(source: string): boolean {
  if (source.includes("{%")) return false;
  return /\{\{(?:- )?\s*(?:[.$]|\/\*|(?:if|else|end|range|with|define|template|block|json)\b|\w+\s+[.$"])/.test(source);
}

/** @throws ProxyError invalid_template naming what is wrong or not supported */
export function parseGoTemplate(source: string): GoTemplate {
  if (source.length > MAX_SOURCE)
    throw invalidTemplate(`it has ${source.length} characters where ${MAX_SOURCE} are allowed`);
  return new TemplateParser(pieces(source)).template();
}

class TemplateParser {
  readonly #pieces: readonly Piece[];
  readonly #fields = new Set<string>();
  /** Declared at this place, the innermost last. */
  #variables = ["$"];
  #at = 0;
  #loops = 0;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  template(): GoTemplate {
    const { body, end } = this.#block(0);
    if (end) throw invalidTemplate(`{{${end[0]?.text}}} closes nothing`);
    return { body, fields: this.#fields };
  }

  /** Everything until the {{else …}} or {{end}} of this block, which is handed back; undefined at the end of the source. */
  #block(depth: number): { body: Body; end: readonly Token[] | undefined } {
    if (depth > MAX_DEPTH) throw invalidTemplate(`its blocks nest more than ${MAX_DEPTH} deep`);
    const declared = this.#variables;
    const body: Node[] = [];
    let end: readonly Token[] | undefined;
    while (!end && this.#at < this.#pieces.length) {
      const piece = this.#pieces[this.#at++] ?? "";
      if (typeof piece === "string") body.push({ kind: "text", text: piece });
      else if (piece[0]?.text === "end" || piece[0]?.text === "else") end = piece;
      else body.push(this.#action(piece, depth));
    }
    this.#variables = declared;
    return { body, end };
  }

  #action(tokens: readonly Token[], depth: number): Node {
    const [first, second] = tokens;
    if (!first) throw invalidTemplate("{{}} is empty");
    if (first.kind === "variable" && (second?.text === ":=" || second?.text === "=")) {
      const value = this.#expression(tokens.slice(2));
      if (second.text === "=" && !this.#variables.includes(first.text))
        throw invalidTemplate(`the variable ${first.text} is not declared`);
      if (second.text === ":=") this.#variables = [...this.#variables, first.text];
      return { kind: second.text === ":=" ? "declare" : "assign", variable: first.text, value };
    }
    if (first.kind === "word")
      switch (first.text) {
        case "if":
        case "with":
          return this.#choice(first.text, tokens.slice(1), depth);
        case "range":
          return this.#range(tokens.slice(1), depth);
        case "break":
        case "continue":
          if (this.#loops === 0 || second) throw invalidTemplate(`{{${first.text}}} stands outside of a range`);
          return { kind: first.text };
        case "define":
        case "template":
        case "block":
          throw invalidTemplate(`{{${first.text}}} is not supported`);
      }
    return { kind: "print", value: this.#expression(tokens) };
  }

  /** if … else if … else … end: the arms in turn, so that a long chain nests nothing. */
  #choice(kind: "if" | "with", head: readonly Token[], depth: number): Node {
    const declared = this.#variables;
    const branches: Branch[] = [];
    let otherwise: Body = [];
    for (let test: readonly Token[] | undefined = head; test; ) {
      const { variables, value } = this.#head(test);
      if (variables.length > 1) throw invalidTemplate(`{{${kind}}} declares two variables`);
      const { body, end } = this.#block(depth + 1);
      branches.push({ test: value, variable: variables[0], body });
      const next = this.#elseOf(kind, end);
      test = next === "end" || next === "else" ? undefined : next;
      if (next === "else") otherwise = this.#last(kind, depth);
    }
    this.#variables = declared;
    return { kind, branches, otherwise };
  }

  #range(head: readonly Token[], depth: number): Node {
    const declared = this.#variables;
    const { variables, value } = this.#head(head);
    this.#loops++;
    const { body, end } = this.#block(depth + 1);
    this.#loops--;
    this.#variables = declared;
    const next = this.#elseOf("range", end);
    if (typeof next !== "string") throw invalidTemplate("{{else if}} belongs to no {{if}}");
    return {
      kind: "range",
      over: value,
      variables,
      body,
      otherwise: next === "else" ? this.#last("range", depth) : [],
    };
  }

  /** `$a, $b := pipeline`, `$a := pipeline` or a pipeline; what it declares is known from here on. */
  #head(tokens: readonly Token[]): { variables: string[]; value: Expression } {
    const at = tokens.findIndex(({ text }) => text === ":=");
    const names = tokens.slice(0, Math.max(at, 0)).filter(({ text }) => text !== ",");
    if (names.length > 2 || names.some(({ kind }) => kind !== "variable"))
      throw invalidTemplate("the left side of := must be one or two variables");
    const value = this.#expression(tokens.slice(at + 1));
    const variables = names.map(({ text }) => text);
    this.#variables = [...this.#variables, ...variables];
    return { variables, value };
  }

  /** What closed an arm: "end", a plain "else", or the tokens of the test of an `else if`. */
  #elseOf(kind: string, closing: readonly Token[] | undefined): "end" | "else" | readonly Token[] {
    if (!closing) throw invalidTemplate(`{{${kind}}} has no {{end}}`);
    const [word, second, ...test] = closing;
    if (!second) return word?.text === "end" ? "end" : "else";
    if (word?.text !== "else" || second.text !== kind || kind === "range")
      throw invalidTemplate(`{{${closing.map(({ text }) => text).join(" ")}}} is not supported`);
    return test.length > 0 ? test : [second];
  }

  #last(kind: string, depth: number): Body {
    const { body, end } = this.#block(depth + 1);
    if (this.#elseOf(kind, end) !== "end") throw invalidTemplate(`{{${kind}}} has a second {{else}}`);
    return body;
  }

  #expression(tokens: readonly Token[]): Expression {
    const expression = parseExpression(tokens, (name) => this.#variables.includes(name));
    for (const { kind, text } of tokens)
      if (kind === "field" && text !== ".") this.#fields.add(text.split(".")[1] ?? "");
    return expression;
  }
}
