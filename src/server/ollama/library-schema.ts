/** Ollama's request bodies that manage models, and the queries of ours. Messages are predicates, as in schema.ts. */
import * as v from "valibot";
import { ProxyError } from "../../core/errors.ts";
import type { SearchSort } from "../../core/library.ts";
import type { ModelKind } from "../../core/model.ts";
import { type Unsupported, unused } from "../unsupported.ts";
import { flag, message, text } from "./schema.ts";

const optionalText = v.nullish(text, "");

/** `name` is what older clients send, `model` then is "". */
const named = { model: optionalText, name: optionalText };

export const nameRequest = v.looseObject(named);

/** Printable ASCII: it becomes a header. */
const token = v.pipe(text, v.regex(/^[!-~]{0,512}$/, "must be a token of the hub"));

/** Ours: `ir` keeps a GGUF model in OpenVINO's format, too; `warm` loads the model once it is here, unless it is false. */
export const pullRequest = v.looseObject({
  ...named,
  stream: flag,
  ir: flag,
  warm: flag,
  huggingface_token: v.nullish(token, ""),
});

export const copyRequest = v.looseObject({
  source: v.pipe(text, v.nonEmpty("is required")),
  destination: v.pipe(text, v.nonEmpty("is required")),
});

const DIGEST = /^sha256[:-][0-9a-f]{64}$/;

/** The digest of a blob as "sha256:<64 hex>". @throws ProxyError invalid_request: nothing else ever becomes a file's name */
export function digestOf(given: string): string {
  if (DIGEST.test(given)) return given.replace("-", ":");
  throw new ProxyError("invalid_request", "invalid digest; a blob is named by sha256: and 64 lower-case hex digits", {
    param: "digest",
  });
}

/** Most entries of a record, and most messages, that a request may have. */
const MAX_ENTRIES = 1000;

function record<T>(is: (value: unknown) => value is T, predicate: string) {
  return v.nullish(
    v.custom<Readonly<Record<string, T>>>(
      (value) =>
        typeof value === "object" &&
        value !== null &&
        !Array.isArray(value) &&
        Object.keys(value).length <= MAX_ENTRIES &&
        Object.values(value).every(is),
      predicate,
    ),
  );
}

const isDigest = (value: unknown): value is string => typeof value === "string" && DIGEST.test(value);

type Parameter = string | number | boolean | readonly string[];
const isParameter = (value: unknown): value is Parameter =>
  ["string", "number", "boolean"].includes(typeof value) ||
  (Array.isArray(value) && value.every((entry) => typeof entry === "string"));

export const createRequest = v.looseObject({
  ...named,
  stream: flag,
  from: optionalText,
  files: record(isDigest, "must be an object of file names, each with the sha256: digest of its blob"),
  modelfile: optionalText,
  system: optionalText,
  template: optionalText,
  license: v.nullish(v.union([text, v.array(text)], "must be a text or a list of texts")),
  parameters: record(isParameter, "must be an object of numbers, texts and lists of texts"),
  messages: v.nullish(
    v.pipe(v.array(message, "must be an array of messages"), v.maxLength(MAX_ENTRIES, "are too many")),
  ),
});

/** What would make another model than the one that was asked for. */
export const UNSUPPORTED_IN_CREATE: Unsupported = {
  path: unused,
  quantize: unused,
  draft_quantize: unused,
  draft_files: unused,
  remote_host: unused,
  renderer: unused,
  parser: unused,
};

const KINDS: Readonly<Record<string, ModelKind | undefined>> = {
  all: undefined,
  llm: "llm",
  embedding: "embedding",
  rerank: "rerank",
  vlm: "vlm",
  vision: "vlm",
  speech: "speech",
};
const SORTS: readonly SearchSort[] = ["popular", "newest", "downloads", "likes"];

function integer(min: number, max: number, otherwise: string) {
  const predicate = `must be a whole number between ${min} and ${max}`;
  return v.pipe(
    v.optional(v.string(), otherwise),
    v.regex(/^\d{1,10}$/, predicate),
    v.transform(Number),
    v.minValue(min, predicate),
    v.maxValue(max, predicate),
  );
}

const word = v.pipe(v.optional(v.string(), ""), v.maxLength(200, "must have at most 200 characters"));

/** The query string of /api/search: the original's fields, and `author`. */
export const searchParameters = v.looseObject({
  q: word,
  sort: v.optional(v.picklist(SORTS, `must be one of ${SORTS.join(", ")}`), "popular"),
  limit: integer(1, 100, "20"),
  offset: integer(0, 10_000, "0"),
  type: v.pipe(
    v.optional(v.string(), "all"),
    v.check((kind) => Object.hasOwn(KINDS, kind), `must be one of ${Object.keys(KINDS).join(", ")}`),
    v.transform((kind) => KINDS[kind]),
  ),
  quantization: word,
  min_downloads: integer(0, 9_999_999_999, "0"),
  author: word,
});
