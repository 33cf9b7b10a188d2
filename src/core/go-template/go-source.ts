/** The source of a Go template, split into its text and the tokens of its actions. Pure. */
import { invalidTemplate } from "./go-expression.ts";

export interface Token {
  readonly kind: "text" | "number" | "field" | "variable" | "word" | "sign";
  /** As written. */
  readonly text: string;
  /** No blank before it: `$x.A` against `$x .A`. */
  readonly glued: boolean;
}

/** A piece of the source: text, or the tokens of an action. */
export type Piece = string | readonly Token[];

const TOKEN =
  /(?<text>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?<number>[-+]?\d+(?:\.\d+)?(?![\w.]))|(?<field>\.(?:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)?)|(?<variable>\$\w*)|(?<word>[A-Za-z_]\w*)|(?<sign>:=|[=(),|])/y;

/** Splits a source at its actions; "{{- " and " -}}" take the blanks of the text beside them. */
export function pieces(source: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  let trimStart = false;
  while (at < source.length) {
    const open = source.indexOf("{{", at);
    const text = source.slice(at, open < 0 ? source.length : open);
    const trimEnd = open >= 0 && /^-\s/.test(source.slice(open + 2, open + 4));
    const kept = trimStart ? text.trimStart() : text;
    found.push(trimEnd ? kept.trimEnd() : kept);
    if (open < 0) break;
    const action = readAction(source, open + (trimEnd ? 3 : 2));
    if (action.tokens) found.push(action.tokens);
    at = action.end;
    trimStart = action.trims;
  }
  return found;
}

/** Reads an action from behind its "{{" to behind its "}}"; a comment has no tokens. */
function readAction(source: string, start: number): { tokens?: readonly Token[]; end: number; trims: boolean } {
  const tokens: Token[] = [];
  const comment = /\s*\/\*[\s\S]*?\*\/(\s-)?\}\}/y;
  comment.lastIndex = start;
  const commented = comment.exec(source);
  if (commented) return { end: comment.lastIndex, trims: commented[1] !== undefined };
  let at = start;
  for (;;) {
    const before = at;
    while (/\s/.test(source[at] ?? "")) at++;
    const glued = at === before;
    if (source.startsWith("}}", at)) return { tokens, end: at + 2, trims: false };
    if (source.startsWith("-}}", at) && !glued) return { tokens, end: at + 3, trims: true };
    TOKEN.lastIndex = at;
    const groups = TOKEN.exec(source)?.groups;
    const [kind, text] = Object.entries(groups ?? {}).find(([, matched]) => matched !== undefined) ?? [];
    if (kind === undefined || text === undefined) {
      if (at >= source.length) throw invalidTemplate("an action is not closed");
      throw invalidTemplate(`"${source.slice(at, at + 20)}" cannot be read`);
    }
    tokens.push({ kind: kind as Token["kind"], text, glued });
    at += text.length;
  }
}
