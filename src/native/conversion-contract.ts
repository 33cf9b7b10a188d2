/** What the addon is told to make a model of safetensors: the encoder's weights, and its tokenizer as a chain of operations. */

/** A tensor inside a safetensors file. */
export interface NativeWeight {
  /** Absolute. */
  readonly file: string;
  /** Bytes from the file's begin. */
  readonly offset: number;
  readonly type: "F32" | "F16" | "BF16";
  readonly shape: readonly number[];
}

export interface BertOptions {
  /** By the names of BertModel's state, without a prefix: "encoder.layer.0.output.dense.weight". */
  readonly weights: Readonly<Record<string, NativeWeight>>;
  readonly layers: number;
  readonly heads: number;
  readonly epsilon: number;
  readonly activation: "gelu" | "gelu_tanh" | "relu";
  /** Position of the first token: 0, or behind the padding id where positions count no padding (RoBERTa). */
  readonly firstPosition: number;
  /** "none": output last_hidden_state. A classifier over the first token ("pooled" as BERT's, "first" as RoBERTa's): logits. */
  readonly head: "none" | "pooled" | "first";
}

/** An operation of OpenVINO's tokenizers library that follows another. */
export interface TokenizerStep {
  readonly op: string;
  /** Its inputs besides what the step before made: text, texts, bytes, numbers (one: i64; an array: f32). */
  readonly constants: readonly (string | readonly string[] | Uint8Array | number | Float32Array)[];
  readonly attributes: Readonly<Record<string, boolean | string | number>>;
}

export interface TokenizerGraphOptions {
  /** OpenVINO's tokenizers library, absolute. */
  readonly library: string;
  /** PCRE2 pattern of the special tokens as texts write them, in one group. */
  readonly special: string;
  readonly normalize: readonly TokenizerStep[];
  readonly split: readonly TokenizerStep[];
  readonly model: TokenizerStep;
  /** Ids before and after every text. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly padId: number;
  /** Longest sequence, the ids around it included; longer ones are cut. */
  readonly maxTokens: number;
  readonly tokenTypes: boolean;
  /** For the way back: the vocabulary as texts are spelt, by id; the ids that are left out; what cleans the text. */
  readonly vocabulary: readonly string[];
  readonly skip: readonly number[];
  readonly clean: readonly TokenizerStep[];
  /** rt_info, which GenAI reads: pad_token_id, processed_post_processor_template … */
  readonly info: Readonly<Record<string, string | number>>;
}

export interface ConvertOptions {
  readonly bert: BertOptions;
  readonly tokenizer: TokenizerGraphOptions;
  /** Folder that openvino_model, openvino_tokenizer and openvino_detokenizer (.xml and .bin) are written to. */
  readonly into: string;
}
