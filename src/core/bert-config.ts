/** Which encoders the program converts by itself, told from their config.json: BERT and XLM-RoBERTa, plain or with a classifier. */

export interface BertConfig {
  readonly family: "bert" | "roberta";
  /** Whether it ends in a classifier over the first token (a reranker) or in the token vectors (an embedder). */
  readonly classifier: boolean;
  readonly layers: number;
  readonly heads: number;
  readonly hidden: number;
  readonly epsilon: number;
  readonly activation: "gelu" | "gelu_tanh" | "relu";
  /** Tokens that it has positions for. */
  readonly maxTokens: number;
  readonly padId: number;
}

const FAMILIES: Readonly<Record<string, BertConfig["family"]>> = { bert: "bert", "xlm-roberta": "roberta" };

const ACTIVATIONS: Readonly<Record<string, BertConfig["activation"]>> = {
  gelu: "gelu",
  gelu_new: "gelu_tanh",
  gelu_pytorch_tanh: "gelu_tanh",
  relu: "relu",
};

/** What the config says, or, as a string, why the program cannot convert such a model by itself. Never throws. */
export function readBertConfig(config: unknown): BertConfig | string {
  if (typeof config !== "object" || config === null) return "its config.json is not an object";
  const fields = config as Readonly<Record<string, unknown>>;
  const modelType = String(fields["model_type"]);
  const family = FAMILIES[modelType];
  if (!family) return `its model_type is ${JSON.stringify(modelType)}, neither bert nor xlm-roberta`;
  const architecture = String((fields["architectures"] as readonly unknown[] | undefined)?.[0] ?? "BertModel");
  const head = /^(?:Bert|XLMRoberta)(Model|ForMaskedLM|ForSequenceClassification)$/.exec(architecture)?.[1];
  if (!head) return `its architecture is ${JSON.stringify(architecture)}`;
  const position = fields["position_embedding_type"] ?? "absolute";
  if (position !== "absolute") return `its positions are ${JSON.stringify(position)}, not absolute`;
  const activation = ACTIVATIONS[String(fields["hidden_act"] ?? "gelu")];
  if (!activation) return `its activation is ${JSON.stringify(fields["hidden_act"])}`;
  const [layers, heads, hidden, positions] = [
    "num_hidden_layers",
    "num_attention_heads",
    "hidden_size",
    "max_position_embeddings",
  ].map((name) => wholeNumber(fields[name], 1));
  const padId = wholeNumber(fields["pad_token_id"] ?? (family === "bert" ? 0 : 1), 0);
  const epsilon = fields["layer_norm_eps"] ?? 1e-12;
  if (layers === undefined || heads === undefined || hidden === undefined || positions === undefined)
    return "its config.json lacks a size";
  if (padId === undefined || typeof epsilon !== "number" || !(epsilon > 0)) return "its config.json is not whole";
  if (hidden % heads !== 0) return "its hidden size is no multiple of its heads";
  // RoBERTa's positions begin behind the padding id.
  const maxTokens = family === "bert" ? positions : positions - padId - 1;
  if (maxTokens < 3) return "it has no room for tokens";
  const classifier = head === "ForSequenceClassification";
  return { family, classifier, layers, heads, hidden, epsilon, activation, maxTokens, padId };
}

function wholeNumber(value: unknown, least: number): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= least ? (value as number) : undefined;
}
