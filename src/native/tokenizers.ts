/** Tokenizers without their models: exact counts and rendered templates before any placement is loaded. */
import { statSync } from "node:fs";
import { ProxyError } from "../core/errors.ts";
import type { Prompt } from "../core/request.ts";
import type { Addon, NativeTokenizer } from "./contract.ts";
import { nativeError } from "./errors.ts";
import { modelPath } from "./model-path.ts";

/** Tokenizers kept loaded, the least recently used ones leaving first. */
const KEPT = 8;

export class Tokenizers {
  readonly #addon: Addon;
  readonly #loaded = new Map<string, Promise<Loaded>>();

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  /**
   * Renders a chat by the model's template, or takes the text as it is, and encodes it.
   * @returns token ids, shape [tokens]
   * @throws ProxyError invalid_template, model_not_loaded
   */
  async encode(directory: string, prompt: Prompt): Promise<Int32Array> {
    try {
      const { tokenizer, limit } = await this.#get(directory);
      if (prompt.kind === "text") return whole(await tokenizer.encode(prompt.text, true), limit);
      const options = {
        addGenerationPrompt: true,
        ...(prompt.tools && { tools: JSON.stringify(prompt.tools) }),
        ...(prompt.extra && { extra: JSON.stringify(prompt.extra) }),
        ...(prompt.template !== undefined && { template: prompt.template }),
      };
      return whole(await tokenizer.encodeChat(JSON.stringify(prompt.messages), options), limit);
    } catch (error) {
      throw nativeError(error);
    }
  }

  #get(directory: string): Promise<Loaded> {
    const key = folderKey(directory);
    const loaded = this.#loaded.get(key) ?? this.#load(directory, key);
    this.#loaded.delete(key);
    this.#loaded.set(key, loaded); // last in the map: used last
    const [oldest] = this.#loaded.keys();
    if (this.#loaded.size > KEPT && oldest !== undefined) this.#loaded.delete(oldest);
    return loaded;
  }

  async #load(directory: string, key: string): Promise<Loaded> {
    try {
      const tokenizer = await this.#addon.loadTokenizer({ directory: modelPath(directory) });
      return { tokenizer, limit: await findLimit(tokenizer) };
    } catch (error) {
      this.#loaded.delete(key);
      const failed = nativeError(error);
      if (failed.code === "insufficient_memory") throw failed;
      throw new ProxyError(
        "model_not_loaded",
        "The model's tokenizer does not load; the server's log has the reason.",
        { detail: failed.detail ?? "", cause: error },
      );
    }
  }
}

/** A pull puts another folder in a model's place, with a tokenizer of its own. */
function folderKey(directory: string): string {
  const folder = statSync(directory, { throwIfNoEntry: false });
  return `${folder?.ino} ${folder?.mtimeMs} ${directory}`;
}

interface Loaded {
  readonly tokenizer: NativeTokenizer;
  /** Tokens that it cuts a longer text to, without a word; Infinity where it does not. */
  readonly limit: number;
}

/** Some tokenizers' graphs end in a truncation (8,192 for those that GenAI makes from GGUF): two long texts tell. */
async function findLimit(tokenizer: NativeTokenizer): Promise<number> {
  const [long, longer] = [
    await tokenizer.encode("a ".repeat(LONG), false),
    await tokenizer.encode("a ".repeat(2 * LONG), false),
  ];
  return long.length === longer.length ? long.length : Number.POSITIVE_INFINITY;
}

const LONG = 1 << 17;

/** @throws ProxyError context_length_exceeded: the tokenizer dropped a part of the prompt. */
function whole(ids: Int32Array, limit: number): Int32Array {
  if (ids.length < limit) return ids;
  throw new ProxyError(
    "context_length_exceeded",
    `The prompt has ${limit} tokens or more and this model's tokenizer takes at most ${limit - 1}. ` +
      "Shorten the prompt or the conversation.",
    { param: "messages" },
  );
}
