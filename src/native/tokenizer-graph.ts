/** An encoder's whole tokenizer, as the addon builds it. */
import pins from "../../build/pins.json";
import { ProxyError } from "../core/errors.ts";
import type { TokenizerGraphOptions } from "./conversion-contract.ts";
import type { TemplatePart, TokenizerJson } from "./tokenizer-json.ts";
import { cleanSteps, modelStep, normalizeSteps, specialPattern, splitSteps, vocabularyOf } from "./tokenizer-steps.ts";

/**
 * @param library OpenVINO's tokenizers library, absolute
 * @param maxTokens longest sequence, with the ids around it
 * @param tokenTypes whether the model tells the two texts of a pair apart
 * @throws ProxyError conversion_failed
 */
export function tokenizerGraph(
  json: TokenizerJson,
  {
    library,
    maxTokens,
    padId,
    tokenTypes,
  }: Pick<TokenizerGraphOptions, "library" | "maxTokens" | "padId" | "tokenTypes">,
): TokenizerGraphOptions {
  const template = templateOf(json);
  const text = template.single.ids.indexOf(TEXT_A);
  const before = template.single.ids.slice(0, text);
  const after = template.single.ids.slice(text + 1);
  const [bos] = before;
  const eos = after.at(-1);
  return {
    library,
    special: specialPattern(json),
    normalize: normalizeSteps(json),
    split: splitSteps(json),
    model: modelStep(json),
    before,
    after,
    padId,
    maxTokens,
    tokenTypes,
    vocabulary: vocabularyOf(json).map(json.model.type === "Unigram" ? spelledBySpaces : spelledByPrefix(json)),
    skip: json.added_tokens.filter(({ special }) => special).map(({ id }) => id),
    clean: cleanSteps(json),
    info: {
      openvino_tokenizers_version: TOKENIZERS_VERSION, // without it GenAI adds no states for padding, which the NPU needs
      pad_token_id: padId,
      ...(bos !== undefined && { bos_token_id: bos }),
      ...(eos !== undefined && { eos_token_id: eos }),
      // From it GenAI makes the tokenizer of a pair, which a reranker needs.
      processed_post_processor_template: JSON.stringify(template),
    },
  };
}

const TOKENIZERS_VERSION =
  pins.platforms["linux-x64"].wheels.find((wheel) => wheel.package === "openvino-tokenizers")?.version ?? pins.openvino;

/** How openvino_tokenizers marks the texts among the ids of a template. */
const [TEXT_A, TEXT_B] = [-1, -2];

interface Sequence {
  readonly ids: number[];
  readonly type_ids: number[];
}

/** What stands around a text and around a pair of texts, by ids. */
function templateOf({ post_processor: part }: TokenizerJson): { readonly single: Sequence; readonly pair: Sequence } {
  if (part.type === "TemplateProcessing") {
    const ids = (parts: readonly TemplatePart[]): Sequence => {
      const all = parts.flatMap((one) => {
        if ("Sequence" in one) return [[one.Sequence.id === "A" ? TEXT_A : TEXT_B, one.Sequence.type_id] as const];
        const { id, type_id } = one.SpecialToken;
        return (part.special_tokens[id]?.ids ?? []).map((token) => [token, type_id] as const);
      });
      return { ids: all.map(([id]) => id), type_ids: all.map(([, type]) => type) };
    };
    const single = ids(part.single);
    if (single.ids.filter((id) => id < 0).length !== 1)
      throw new ProxyError(
        "conversion_failed",
        "The model's tokenizer puts a text in twice or not at all: it is damaged.",
      );
    return { single, pair: ids(part.pair) };
  }
  const [cls, sep] = [part.cls[1], part.sep[1]];
  const single = { ids: [cls, TEXT_A, sep], type_ids: [0, 0, 0] };
  if (part.type === "BertProcessing")
    return { single, pair: { ids: [cls, TEXT_A, sep, TEXT_B, sep], type_ids: [0, 0, 0, 1, 1] } };
  return { single, pair: { ids: [cls, TEXT_A, sep, sep, TEXT_B, sep], type_ids: [0, 0, 0, 0, 0, 0] } };
}

function spelledBySpaces(token: string): string {
  return token.replaceAll("\u2581", " ");
}

function spelledByPrefix({ model }: TokenizerJson): (token: string) => string {
  const prefix = model.type === "Unigram" ? "" : model.continuing_subword_prefix;
  return (token) => (prefix !== "" && token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`);
}
