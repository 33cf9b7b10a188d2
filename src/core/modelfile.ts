/**
 * Ollama's Modelfile: `INSTRUCTION value` by lines; instructions in any case; values bare to the end of the line, or in
 * "…" or """…""" over several lines and without escapes; lines that begin with # are comments. (Ollama's parser/parser.go and docs.)
 */
import { ProxyError } from "./errors.ts";
import type { CreateRequest } from "./library.ts";
import type { Recipe } from "./model.ts";
import type { Message } from "./request.ts";

export type Modelfile = Pick<CreateRequest, "from" | "system" | "template" | "parameters" | "messages" | "license">;

type Parameter = string | number | boolean | readonly string[];

const MULTILINE = '"""';
/** What a Modelfile says besides, of which this program knows no use: taken and left aside, as Ollama does with REQUIRES. */
const IGNORED = new Set(["REQUIRES", "RENDERER", "PARSER"]);

/** What a Modelfile says; it need not have a FROM. @throws ProxyError invalid_request, with the line at fault; ADAPTER among them */
export function parseModelfile(text: string): Modelfile {
  const found: {
    from?: string;
    system?: string;
    template?: string;
    parameters: Map<string, Parameter>;
    messages: Message[];
    license: string[];
  } = { parameters: new Map(), messages: [], license: [] };
  for (const { keyword, word, value, line } of instructions(text)) {
    const refuse = (what: string): ProxyError =>
      new ProxyError("invalid_request", `Line ${line} of the Modelfile: ${what}.`, { param: "modelfile" });
    if (value === "" && keyword !== "SYSTEM" && keyword !== "TEMPLATE") throw refuse(`${keyword} has no value`);
    switch (keyword) {
      case "FROM":
        if (found.from !== undefined) throw refuse("there is a second FROM, and one is what a model is made of");
        found.from = value;
        break;
      case "SYSTEM":
        found.system = value;
        break;
      case "TEMPLATE":
        found.template = value;
        break;
      case "LICENSE":
        found.license.push(value);
        break;
      case "PARAMETER":
        addParameter(found.parameters, word.toLowerCase(), value);
        break;
      case "MESSAGE":
        found.messages.push({ role: roleOf(word, refuse), content: value });
        break;
      case "ADAPTER":
        throw refuse("ADAPTER is not supported: npu-proxy cannot apply LoRA adapters yet. Remove the line");
      default:
        if (!IGNORED.has(keyword))
          throw refuse(
            `"${keyword.slice(0, 40)}" is no instruction. Expected FROM, SYSTEM, TEMPLATE, PARAMETER, MESSAGE or LICENSE`,
          );
    }
  }
  const { parameters, messages, license, ...rest } = found;
  return {
    ...rest,
    ...(parameters.size > 0 && { parameters: Object.fromEntries(parameters) }),
    ...(messages.length > 0 && { messages }),
    ...(license.length > 0 && { license }),
  };
}

/** The Modelfile that makes a recipe again. */
export function printModelfile(from: string, recipe: Omit<Recipe, "parent">): string {
  const lines = [`FROM ${from}`];
  if (recipe.template) lines.push(`TEMPLATE ${quoted(recipe.template.source)}`);
  if (recipe.system !== undefined) lines.push(`SYSTEM ${quoted(recipe.system)}`);
  for (const [name, value] of Object.entries(recipe.parameters ?? {}))
    for (const single of Array.isArray(value) ? value : [value])
      lines.push(`PARAMETER ${name} ${typeof single === "string" ? quoted(single) : String(single)}`);
  for (const { role, content } of recipe.messages ?? []) lines.push(`MESSAGE ${role} ${quoted(content)}`);
  for (const text of recipe.license ?? []) lines.push(`LICENSE ${quoted(text)}`);
  return `${lines.join("\n")}\n`;
}

interface Instruction {
  readonly keyword: string;
  /** The word before the value, of PARAMETER and MESSAGE. */
  readonly word: string;
  readonly value: string;
  /** Counted from 1. */
  readonly line: number;
}

function* instructions(text: string): Generator<Instruction> {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  for (let index = 0; index < lines.length; index++) {
    const content = (lines[index] ?? "").trim();
    if (content === "" || content.startsWith("#")) continue;
    const line = index + 1;
    // "s": a "." that stops at U+2028 would be tried again from every character, in quadratic time.
    const [, name = "", behind = ""] = /^(\S+)\s*(.*)$/s.exec(content) ?? [];
    const keyword = name.toUpperCase();
    const worded = keyword === "PARAMETER" || keyword === "MESSAGE";
    const [, word = "", rest = ""] = (worded ? /^(\S*)\s*(.*)$/s : /^()(.*)$/s).exec(behind) ?? [];
    let value = rest;
    while (isOpen(value)) {
      index++;
      const next = lines[index];
      if (next === undefined)
        throw new ProxyError("invalid_request", `Line ${line} of the Modelfile: its quotation mark is never closed.`, {
          param: "modelfile",
        });
      value += `\n${next}`;
    }
    yield { keyword, word, value: unquoted(value), line };
  }
}

/** Whether a value that began with a quotation mark goes on in the next line: quotes close at the end of a line alone. */
function isOpen(value: string): boolean {
  const text = value.trimEnd();
  if (text.startsWith(MULTILINE)) return text.length < 2 * MULTILINE.length || !text.endsWith(MULTILINE);
  return text.startsWith('"') && (text.length < 2 || !text.endsWith('"'));
}

function unquoted(value: string): string {
  const text = value.trimEnd();
  const mark = [MULTILINE, '"'].find((quotes) => text.startsWith(quotes));
  return mark === undefined ? text : text.slice(mark.length, -mark.length);
}

/** A value that reads back as it is, but for one in which a line other than the last ends in three quotation marks. */
function quoted(text: string): string {
  if (text !== "" && text === text.trim() && !text.startsWith('"') && !/[\r\n]/.test(text)) return text;
  return /["\r\n]/.test(text) ? `${MULTILINE}${text}${MULTILINE}` : `"${text}"`;
}

function roleOf(word: string, refuse: (what: string) => ProxyError): Message["role"] {
  const role = (["system", "user", "assistant"] as const).find((known) => known === word.toLowerCase());
  if (!role) throw refuse(`"${word.slice(0, 40)}" is no role of a MESSAGE. Expected system, user or assistant`);
  return role;
}

function addParameter(parameters: Map<string, Parameter>, name: string, value: string): void {
  const given = parameters.get(name);
  if (name === "stop") parameters.set(name, [...(Array.isArray(given) ? given : []), value]);
  else if (/^(true|false)$/.test(value)) parameters.set(name, value === "true");
  else parameters.set(name, value.trim() !== "" && Number.isFinite(Number(value)) ? Number(value) : value);
}
