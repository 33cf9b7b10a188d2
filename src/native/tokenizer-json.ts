/** A Hugging Face tokenizer.json: the parts that encoders' tokenizers are made of; or one made of a BERT's vocab.txt. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { ProxyError } from "../core/errors.ts";

const id = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(2 ** 31 - 1));
const pattern = v.union([v.object({ String: v.string() }), v.object({ Regex: v.string() })]);

const oneNormalizer = v.variant("type", [
  v.object({
    type: v.literal("BertNormalizer"),
    clean_text: v.boolean(),
    handle_chinese_chars: v.boolean(),
    strip_accents: v.nullish(v.boolean(), null),
    lowercase: v.boolean(),
  }),
  v.object({ type: v.picklist(["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"]) }),
  v.object({ type: v.literal("Precompiled"), precompiled_charsmap: v.pipe(v.string(), v.base64()) }),
  v.object({ type: v.literal("Replace"), pattern, content: v.string() }),
  v.object({ type: v.literal("Strip"), strip_left: v.boolean(), strip_right: v.boolean() }),
]);

const onePreTokenizer = v.variant("type", [
  v.object({ type: v.picklist(["BertPreTokenizer", "WhitespaceSplit"]) }),
  v.object({
    type: v.literal("Metaspace"),
    replacement: v.string(),
    add_prefix_space: v.optional(v.boolean(), true),
    prepend_scheme: v.optional(v.picklist(["always", "first", "never"]), "always"),
  }),
]);

const templatePart = v.union([
  v.object({ SpecialToken: v.object({ id: v.string(), type_id: id }) }),
  v.object({ Sequence: v.object({ id: v.picklist(["A", "B"]), type_id: id }) }),
]);
const tokenAndId = v.tuple([v.string(), id]);

const postProcessor = v.variant("type", [
  v.object({
    type: v.literal("TemplateProcessing"),
    single: v.array(templatePart),
    pair: v.array(templatePart),
    special_tokens: v.record(v.string(), v.object({ ids: v.array(id) })),
  }),
  v.object({ type: v.picklist(["BertProcessing", "RobertaProcessing"]), sep: tokenAndId, cls: tokenAndId }),
]);

const wordPiece = v.object({
  type: v.optional(v.literal("WordPiece")),
  unk_token: v.string(),
  continuing_subword_prefix: v.string(),
  vocab: v.record(v.string(), id),
});
const unigram = v.object({
  type: v.literal("Unigram"),
  unk_id: id,
  vocab: v.array(v.tuple([v.string(), v.number()])),
  byte_fallback: v.optional(v.literal(false)),
});

const schema = v.object({
  added_tokens: v.array(
    v.object({ id, content: v.string(), special: v.boolean(), lstrip: v.boolean(), rstrip: v.boolean() }),
  ),
  normalizer: v.nullable(
    v.union([v.object({ type: v.literal("Sequence"), normalizers: v.array(oneNormalizer) }), oneNormalizer]),
  ),
  pre_tokenizer: v.union([
    v.object({ type: v.literal("Sequence"), pretokenizers: v.array(onePreTokenizer) }),
    onePreTokenizer,
  ]),
  post_processor: postProcessor,
  model: v.union([wordPiece, unigram]),
});

export type TokenizerJson = v.InferOutput<typeof schema>;
export type Normalizer = v.InferOutput<typeof oneNormalizer>;
export type PreTokenizer = v.InferOutput<typeof onePreTokenizer>;
export type TemplatePart = v.InferOutput<typeof templatePart>;

/**
 * The folder's tokenizer.json, or what its vocab.txt and tokenizer_config.json amount to.
 * @throws ProxyError conversion_failed for a tokenizer of another kind
 */
export async function readTokenizerJson(folder: string): Promise<TokenizerJson> {
  const text = await readIfThere(join(folder, "tokenizer.json"));
  try {
    const parsed: unknown = text === undefined ? await fromVocabulary(folder) : JSON.parse(text);
    return v.parse(schema, parsed);
  } catch (error) {
    if (error instanceof ProxyError) throw error;
    const where = error instanceof v.ValiError ? (error.issues[0].path?.[0]?.key ?? "whole") : "JSON";
    throw new ProxyError(
      "conversion_failed",
      `The model's tokenizer is of a kind that npu-proxy cannot convert: its ${String(where)} is not what a BERT or ` +
        "XLM-RoBERTa has. Convert it with optimum-cli and take the folder in with npu-proxy import.",
      { cause: error },
    );
  }
}

async function fromVocabulary(folder: string): Promise<unknown> {
  const text = await readIfThere(join(folder, "vocab.txt"));
  if (text === undefined)
    throw new ProxyError(
      "conversion_failed",
      "The model has neither a tokenizer.json nor a vocab.txt. Name a repository that has one of them.",
    );
  const config = JSON.parse((await readIfThere(join(folder, "tokenizer_config.json"))) ?? "{}");
  const tokens = text.replace(/\r?\n$/, "").split(/\r?\n/);
  const vocab = Object.fromEntries(tokens.map((token, index) => [token, index]));
  const names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].filter((name) => Object.hasOwn(vocab, name));
  const flags = { special: true, lstrip: false, rstrip: false };
  const lowercase = config.do_lower_case ?? true;
  return {
    added_tokens: names.map((content) => ({ id: vocab[content], content, ...flags })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: config.tokenize_chinese_chars ?? true,
      strip_accents: config.strip_accents ?? null,
      lowercase,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: { type: "BertProcessing", sep: ["[SEP]", vocab["[SEP]"]], cls: ["[CLS]", vocab["[CLS]"]] },
    model: { type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##", vocab },
  };
}

async function readIfThere(file: string): Promise<string | undefined> {
  return await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}
