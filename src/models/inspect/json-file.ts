/** Small JSON files of models, written by anyone: of bounded size, and nothing taken on trust. */
import { open } from "node:fs/promises";
import { join } from "node:path";

export type Json = Readonly<Record<string, unknown>>;

/** Most bytes of a configuration file; the largest real ones (a tokenizer's) have 2 MiB. */
export const LARGEST_CONFIG = 16 << 20;

/** A file's text; undefined where there is none. @throws Error "is larger than 16 MiB" */
export async function readSmall(directory: string, file: string): Promise<string | undefined> {
  const handle = await open(join(directory, file)).catch(() => undefined);
  if (!handle) return undefined;
  try {
    const { size } = await handle.stat();
    if (size > LARGEST_CONFIG) throw new Error(`is larger than ${LARGEST_CONFIG >> 20} MiB`);
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

/** A JSON object in a file; undefined where there is no such file. @throws Error "is no JSON object" */
export async function readJsonFile(directory: string, file: string): Promise<Json | undefined> {
  const text = await readSmall(directory, file);
  return text === undefined ? undefined : parseJsonObject(text);
}

/**
 * A JSON object in a file of a model that may lie elsewhere; undefined where it has no such file.
 * @param read the text of a file of the model; undefined where it has none
 * @throws Error "config.json is no JSON object"
 */
export async function readJsonObject(
  read: (file: string) => Promise<string | undefined>,
  file: string,
): Promise<Json | undefined> {
  const text = await read(file);
  try {
    return text === undefined ? undefined : parseJsonObject(text);
  } catch (error) {
    throw new Error(`${file} ${(error as Error).message}`);
  }
}

/** @throws Error "is no JSON object" */
function parseJsonObject(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const found = jsonObject(value);
  if (!found) throw new Error("is no JSON object");
  return found;
}

export function jsonObject(value: unknown): Json | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

/** A finite number; undefined for anything else. */
export function jsonNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** A count that a model can have: 1 to 2^31 - 1. */
export function jsonCount(value: unknown): number | undefined {
  const count = jsonNumber(value);
  return count !== undefined && Number.isInteger(count) && count >= 1 && count < 2 ** 31 ? count : undefined;
}

/** At most 200 characters of a name; "" for anything else. */
export function jsonName(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 200) : "";
}
