/**
 * How much of the prompts a KV prefix cache can serve. GenAI does not tell its hits, so this counts what it could hit:
 * whole blocks of a prompt whose entire prefix an earlier prompt of this engine had. Blocks that its cache has dropped
 * since then count all the same.
 */
const BLOCK = 32;
/** Prefixes remembered, the oldest leaving first: about 2 million prompt tokens. */
const REMEMBERED = 1 << 16;

export class PrefixCounter {
  readonly #seen = new Set<bigint>();
  #reusable = 0;

  /** Prompt tokens, since the load, whose prefix had been seen. */
  get reusableTokens(): number {
    return this.#reusable;
  }

  /** @param ids a prompt, shape [tokens] */
  add(ids: Int32Array): void {
    let chain = 0n;
    let known = true;
    for (let end = BLOCK; end <= ids.length; end += BLOCK) {
      const block = new Uint8Array(ids.buffer, ids.byteOffset + (end - BLOCK) * 4, BLOCK * 4);
      chain = Bun.hash.xxHash64(block, chain);
      known &&= this.#seen.has(chain);
      if (known) this.#reusable += BLOCK;
      this.#seen.delete(chain);
      this.#seen.add(chain);
    }
    for (const oldest of this.#seen) {
      if (this.#seen.size <= REMEMBERED) break;
      this.#seen.delete(oldest);
    }
  }
}
