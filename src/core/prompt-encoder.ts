/** Prompts as the engine takes them: with the model's own template and recipe, encoded, cut where they are too long. */

import type { Model } from "./model.ts";
import type { EngineHost } from "./ports.ts";
import { applyRecipe } from "./recipe.ts";
import type { EncodedPrompt, Prompt } from "./request.ts";
import { truncateMessages, truncateTokens } from "./truncation.ts";

export class PromptEncoder {
  readonly #engines: Pick<EngineHost, "encode">;

  constructor(engines: Pick<EngineHost, "encode">) {
    this.#engines = engines;
  }

  /** @throws ProxyError invalid_template, model_invalid, runtime_* */
  async encode(model: Model, prompt: Prompt, signal: AbortSignal): Promise<EncodedPrompt> {
    return await this.#engines.encode(model, applyRecipe(withTemplate(prompt, model), model.recipe), signal);
  }

  /**
   * The prompt in at most `most` tokens.
   * @param encoded the whole prompt
   * @throws ProxyError context_length_exceeded where nothing can be left out
   */
  async truncate(
    model: Model,
    prompt: Prompt,
    encoded: EncodedPrompt,
    most: number,
    signal: AbortSignal,
  ): Promise<EncodedPrompt> {
    if (prompt.kind === "text") return truncateTokens(encoded, most);
    const encode = (messages: typeof prompt.messages): Promise<EncodedPrompt> =>
      this.encode(model, { ...prompt, messages }, signal);
    return (await truncateMessages(prompt.messages, encode, most)).prompt;
  }
}

/** The model's own template in the place of the folder's, unless the request brings one. */
function withTemplate(prompt: Prompt, { tuning }: Model): Prompt {
  if (prompt.kind === "text" || prompt.template !== undefined || tuning?.chatTemplate === undefined) return prompt;
  return { ...prompt, template: tuning.chatTemplate };
}
