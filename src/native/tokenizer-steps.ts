/** The parts of a tokenizer.json as operations of OpenVINO's tokenizers library; its patterns are PCRE2 with UTF and UCP. */
import { ProxyError } from "../core/errors.ts";
import type { TokenizerStep } from "./conversion-contract.ts";
import type { Normalizer, PreTokenizer, TokenizerJson } from "./tokenizer-json.ts";

/** What BERT takes for Chinese characters: each becomes a word. */
const CHINESE =
  "[\\x{4E00}-\\x{9FFF}\\x{3400}-\\x{4DBF}\\x{20000}-\\x{2A6DF}\\x{2A700}-\\x{2B73F}\\x{2B740}-\\x{2B81F}" +
  "\\x{2B920}-\\x{2CEAF}\\x{F900}-\\x{FAFF}\\x{2F800}-\\x{2FA1F}]";
const PUNCTUATION = "!-/:-@\\[-`{-~\\p{P}";
const WHITESPACE = "\\s+";

/** Longest word, in characters, that WordPiece looks at; longer ones are unknown. The operation counts bytes, up to 4 each. */
const LONGEST_WORD = 100;
/** A character for private use, which no vocabulary has: a word that is unknown. */
const UNKNOWN = "\uE000";

/** What the text goes through before it is split, by the normalizer and by those pre-tokenizers that change it. */
export function normalizeSteps(json: TokenizerJson): TokenizerStep[] {
  const normalizers = json.normalizer?.type === "Sequence" ? json.normalizer.normalizers : [json.normalizer];
  const steps = normalizers.flatMap((normalizer) => (normalizer ? normalize(normalizer) : []));
  const all = preTokenizers(json);
  if (json.model.type !== "Unigram") return [...steps, replace(`[^\\s${PUNCTUATION}]{${LONGEST_WORD + 1},}`, UNKNOWN)];
  return [...steps, ...all.flatMap(markSpaces)];
}

/** What splits the text into words. */
export function splitSteps(json: TokenizerJson): TokenizerStep[] {
  const all = preTokenizers(json);
  const marked = all.find((part) => part.type === "Metaspace");
  if (marked?.type === "Metaspace") return [split(literally(marked.replacement), "mergedwithnext")];
  return all.flatMap(({ type }) =>
    type === "BertPreTokenizer"
      ? [split(WHITESPACE, "remove"), split(`[${PUNCTUATION}]`, "isolate")]
      : [split(WHITESPACE, "remove")],
  );
}

/** What makes ids of words. */
export function modelStep(json: TokenizerJson): TokenizerStep {
  const { model } = json;
  const vocabulary = vocabularyOf(json);
  if (model.type === "Unigram") {
    const scores = unigramScores(model.vocab, json.added_tokens, vocabulary.length);
    return {
      op: "UnigramTokenizer",
      constants: [vocabulary, scores],
      attributes: { byte_fallback: false, unk_token_id: model.unk_id, fuse_unk: true },
    };
  }
  const unknown = model.vocab[model.unk_token];
  if (unknown === undefined)
    throw new ProxyError("conversion_failed", "The model's tokenizer has no token for unknown words: it is damaged.");
  return {
    op: "WordpieceTokenizer",
    constants: [vocabulary, unknown],
    attributes: { suffix_indicator: model.continuing_subword_prefix, max_bytes_per_word: 4 * LONGEST_WORD },
  };
}

/** The tokens by their ids; a hole is "". */
export function vocabularyOf({ model, added_tokens }: TokenizerJson): string[] {
  const known: (readonly [string, number])[] =
    model.type === "Unigram" ? model.vocab.map(([token], index) => [token, index]) : Object.entries(model.vocab);
  const all = [...known, ...added_tokens.map(({ content, id }) => [content, id] as const)];
  const size = all.reduce((most, [, id]) => Math.max(most, id + 1), 0);
  if (size > 2 * all.length + 1000)
    throw new ProxyError("conversion_failed", "The model's tokenizer gives out ids without tokens: it is damaged.");
  const vocabulary = new Array<string>(size).fill("");
  for (const [token, id] of all) vocabulary[id] = token;
  return vocabulary;
}

/** The pattern of the special tokens as a text writes them; those that take the spaces beside them are a group of their own. */
export function specialPattern({ added_tokens }: TokenizerJson): string {
  const groups = Map.groupBy(
    added_tokens,
    ({ lstrip, rstrip }) => `${lstrip ? "(?:\\s*)" : ""} ${rstrip ? "(?:\\s*)" : ""}`,
  );
  const patterns = [...groups].map(([sides, tokens]) => {
    const [left = "", right = ""] = sides.split(" ");
    // The longest first: of two that begin alike the pattern takes the one that it meets first.
    const contents = tokens.map(({ content }) => content).sort((a, b) => b.length - a.length || (a < b ? 1 : -1));
    return `${left}(${contents.map(literally).join("|")})${right}`;
  });
  return patterns.join("|");
}

/** What makes text of decoded tokens: the first space goes, bytes that are no UTF-8 are replaced. */
export function cleanSteps(json: TokenizerJson): TokenizerStep[] {
  const steps = [
    replace("^ ", ""),
    { op: "UTF8Validate", constants: [], attributes: { replace_mode: true } } satisfies TokenizerStep,
  ];
  return json.model.type === "Unigram" ? steps : [...steps, replace(" ([.,!?'])", "$1")];
}

function preTokenizers({ pre_tokenizer: part }: TokenizerJson): readonly PreTokenizer[] {
  return part.type === "Sequence" ? part.pretokenizers : [part];
}

function normalize(normalizer: Normalizer): TokenizerStep[] {
  switch (normalizer.type) {
    case "BertNormalizer":
      return [
        ...(normalizer.clean_text ? [replace("(?![\\t\\n\\r])[\\p{C}\\x{FFFD}]", ""), replace("\\s", " ")] : []),
        ...(normalizer.handle_chinese_chars ? [replace(`(${CHINESE})`, " $1 ")] : []),
        ...((normalizer.strip_accents ?? normalizer.lowercase) ? [unicode("nfd"), replace("\\p{Mn}", "")] : []),
        ...(normalizer.lowercase ? LOWERCASE : []),
      ];
    case "Lowercase":
      return [...LOWERCASE];
    case "StripAccents":
      return [replace("\\p{Mn}", "")];
    case "Precompiled":
      return [charsMap({}, [Uint8Array.from(Buffer.from(normalizer.precompiled_charsmap, "base64"))])];
    case "Replace":
      return "String" in normalizer.pattern
        ? [replace(literally(normalizer.pattern.String), normalizer.content.replaceAll("$", "$$$$"))]
        : [replace(normalizer.pattern.Regex, normalizer.content.replaceAll("$", "$$$$"))];
    case "Strip":
      return [
        ...(normalizer.strip_left ? [replace("^\\s+", "")] : []),
        ...(normalizer.strip_right ? [replace("\\s+$", "")] : []),
      ];
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return [unicode(normalizer.type.toLowerCase())];
  }
}

/** SentencePiece's way: a mark in the place of each space and before the first word; the text is split at the marks. */
function markSpaces(part: PreTokenizer): TokenizerStep[] {
  if (part.type === "WhitespaceSplit") return [replace("^\\s+|\\s+$", ""), replace(WHITESPACE, " ")];
  if (part.type !== "Metaspace") return [];
  const mark = literally(part.replacement);
  const first = part.add_prefix_space && part.prepend_scheme !== "never";
  return [
    replace(" ", part.replacement),
    ...(first ? [replace(`^(?!${mark})([\\s\\S])`, `${part.replacement}$1`)] : []),
  ];
}

/** Added tokens must win over any way to spell them with others: a score above all sums. */
function unigramScores(
  vocab: readonly (readonly [string, number])[],
  added: TokenizerJson["added_tokens"],
  size: number,
): Float32Array {
  const [least, most] = vocab.reduce(
    ([low, high], [, score]) => [Math.min(low, score), Math.max(high, score)],
    [0, -Infinity],
  );
  const scores = new Float32Array(size).fill(least);
  for (const [index, [, score]] of vocab.entries()) scores[index] = score;
  for (const { id, content } of added) scores[id] = Math.max(scores[id] ?? least, most * content.length - 0.1);
  return scores;
}

function replace(pattern: string, by: string): TokenizerStep {
  return { op: "RegexNormalization", constants: [pattern, by], attributes: { global_replace: true } };
}

function split(pattern: string, behaviour: "remove" | "isolate" | "mergedwithnext"): TokenizerStep {
  return { op: "RegexSplit", constants: [pattern], attributes: { behaviour, invert: false, max_splits: -1 } };
}

function charsMap(attributes: TokenizerStep["attributes"], constants: readonly Uint8Array[] = []): TokenizerStep {
  return { op: "CharsMapNormalization", constants, attributes: { remove_extra_whitespaces: false, ...attributes } };
}

function unicode(form: string): TokenizerStep {
  return charsMap({ normalization_form: form });
}

/**
 * The library folds cases, which makes σ of ς and μ (Greek) of µ (micro); lower-casing leaves them alone, and vocabularies
 * have words with them. Characters for private use stand in for them meanwhile.
 */
const KEPT_LETTERS = [
  ["ς", "\uE001"],
  ["µ", "\uE002"],
] as const;
const LOWERCASE: readonly TokenizerStep[] = [
  ...KEPT_LETTERS.map(([letter, standIn]) => replace(letter, standIn)),
  charsMap({ normalization_form: "identity", case_fold: true }),
  ...KEPT_LETTERS.map(([letter, standIn]) => replace(standIn, letter)),
];

function literally(text: string): string {
  return text.replace(/[^\p{L}\p{N}_\u2581]/gu, "\\$&");
}
