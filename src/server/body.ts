import * as v from "valibot";
import { ProxyError } from "../core/errors.ts";

const MAX_DEPTH = 100;
/** Most of a parser's or caller's words that an error message repeats. */
const MAX_QUOTE = 120;

/**
 * Reads a request's body as a JSON object, whatever its Content-Type says (Ollama's clients send none that is right).
 * Lone surrogates become U+FFFD and `__proto__` keys go, so that neither the tokenizer nor an object spread meets them.
 * @param onRead called when its last byte is here
 * @throws ProxyError body_too_large (more than `maxBytes`), invalid_json, invalid_request (encoded, or no object)
 */
export async function readJson(
  request: Request,
  maxBytes: number,
  onRead: () => void = () => undefined,
): Promise<Record<string, unknown>> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity")
    throw new ProxyError(
      "invalid_request",
      "Compressed request bodies are not supported; send it without Content-Encoding.",
      {
        param: "Content-Encoding",
      },
    );
  const bytes = await readBytes(request, maxBytes);
  onRead();
  const value = clean(parse(bytes), 1);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ProxyError("invalid_request", `The request body must be a JSON object, not ${kindOf(value)}.`);
  return value as Record<string, unknown>;
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new ProxyError("body_too_large", `The request body is larger than the ${maxBytes} bytes that this server reads.`);
  const announced = request.headers.get("content-length");
  if (announced !== null && Number(announced) > maxBytes) throw tooLarge();
  if (announced !== null) return request.bytes();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parse(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ProxyError("invalid_json", "The request body is not valid UTF-8.");
  }
  if (text.trim() === "") throw new ProxyError("invalid_json", "missing request body");
  try {
    return JSON.parse(text);
  } catch (thrown) {
    const reason = (thrown instanceof Error ? thrown.message : "")
      .replace(/^JSON Parse error: /, "")
      .slice(0, MAX_QUOTE);
    throw new ProxyError("invalid_json", `The request body is not valid JSON: ${reason}`);
  }
}

function clean(value: unknown, depth: number): unknown {
  if (typeof value === "string") return value.isWellFormed() ? value : value.toWellFormed();
  if (typeof value !== "object" || value === null) return value;
  if (depth > MAX_DEPTH)
    throw new ProxyError("invalid_json", `The request body nests objects and arrays more than ${MAX_DEPTH} deep.`);
  if (Array.isArray(value)) {
    // By number: the names of a long array's elements would take more memory than the array.
    for (let i = 0; i < value.length; i++) value[i] = clean(value[i], depth + 1);
    return value;
  }
  const container = value as Record<string, unknown>;
  Reflect.deleteProperty(container, "__proto__");
  for (const key of Object.keys(container)) container[key] = clean(container[key], depth + 1);
  return container;
}

/**
 * A body that fits the schema. The messages in a schema are predicates ("must be a string"); this puts the path of the
 * field before them, and never what the caller sent behind them.
 * @throws ProxyError invalid_request with the field's path as `param`
 */
export function check<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const param = (issue.path ?? []).reduce(
    (path, { key }) =>
      typeof key === "number" ? `${path}[${key}]` : path === "" ? String(key) : `${path}.${String(key)}`,
    "",
  );
  const missing = issue.kind === "schema" && issue.received === "undefined";
  throw new ProxyError("invalid_request", `${param} ${missing ? "is required" : issue.message}`, { param });
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`;
}
