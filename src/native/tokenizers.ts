/** Tokenizers without their models: exact counts and rendered templates before any placement is loaded. */
import { ProxyError } from "../core/errors.ts";
import type { Prompt } from "../core/request.ts";
import type { Addon, NativeTokenizer } from "./contract.ts";
import { nativeError } from "./errors.ts";

/** Tokenizers kept loaded, the least recently used ones leaving first. */
const KEPT = 8;

export class Tokenizers {
  readonly #addon: Addon;
  readonly #loaded = new Map<string, Promise<NativeTokenizer>>();

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  /**
   * Renders a chat by the model's template, or takes the text as it is, and encodes it.
   * @returns token ids, shape [tokens]
   * @throws ProxyError invalid_template, load_failed
   */
  async encode(directory: string, prompt: Prompt): Promise<Int32Array> {
    try {
      const tokenizer = await this.#get(directory);
      if (prompt.kind === "text") return await tokenizer.encode(prompt.text, true);
      const text = await tokenizer.applyChatTemplate(JSON.stringify(prompt.messages), {
        addGenerationPrompt: true,
        ...(prompt.tools && { tools: JSON.stringify(prompt.tools) }),
        ...(prompt.extra && { extra: JSON.stringify(prompt.extra) }),
        ...(prompt.template !== undefined && { template: prompt.template }),
      });
      return await tokenizer.encode(text, false); // the template wrote the special tokens itself
    } catch (error) {
      throw nativeError(error);
    }
  }

  #get(directory: string): Promise<NativeTokenizer> {
    const loaded = this.#loaded.get(directory) ?? this.#load(directory);
    this.#loaded.delete(directory);
    this.#loaded.set(directory, loaded); // last in the map: used last
    const [oldest] = this.#loaded.keys();
    if (this.#loaded.size > KEPT && oldest !== undefined) this.#loaded.delete(oldest);
    return loaded;
  }

  #load(directory: string): Promise<NativeTokenizer> {
    return this.#addon.loadTokenizer({ directory }).catch((error: unknown) => {
      this.#loaded.delete(directory);
      throw new ProxyError("load_failed", "The model's tokenizer does not load; the server's log has the reason.", {
        detail: nativeError(error).detail ?? "",
        cause: error,
      });
    });
  }
}
