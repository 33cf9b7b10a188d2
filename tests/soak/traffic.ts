/** Requests of all sorts for the demo, and whether what comes back is right. */
import { type Outcome, outcomeOf } from "./outcome.ts";
import { certainQuestions, type Message, MOST_TOKENS, type Question } from "./questions.ts";

/** Of "two words ": the longest prompt stays within a context of 1,024 tokens. */
const MOST_WORD_PAIRS = 180;

interface Ask {
  readonly messages: readonly Message[];
  readonly dialect: "ollama" | "openai";
  readonly stream: boolean;
  readonly maxTokens: number;
  readonly temperature: number;
  /** What a greedy answer must be. */
  readonly expected?: string;
  /** The client leaves: before an answer, or after its first bytes. */
  readonly leaves?: "at once" | "midway";
}

export type Ended = (Outcome | { readonly kind: "left" } | { readonly kind: "wrong"; readonly what: string }) & {
  /** From the request to its end, in ms. */
  readonly ms: number;
};

export class Traffic {
  readonly #url: string;
  #questions: readonly Question[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  /** Learns the answers to compare with. */
  async prepare(): Promise<void> {
    this.#questions = await certainQuestions();
  }

  /** Request number n of a run; the same numbers make the same requests. */
  async send(n: number): Promise<Ended> {
    const ask = this.#ask(n);
    const started = performance.now();
    const outcome = await this.#send(ask);
    const ms = performance.now() - started;
    if (outcome.kind === "answer" && ask.expected !== undefined && outcome.text !== ask.expected)
      return { kind: "wrong", what: `"${outcome.text}" instead of "${ask.expected}"`, ms };
    return { ...outcome, ms };
  }

  #ask(n: number): Ask {
    const random = generator(n);
    const dialect: Ask["dialect"] = random() < 0.5 ? "ollama" : "openai";
    const stream = random() < 0.6;
    const sort = random();
    const question = this.#questions[Math.floor(random() * this.#questions.length)];
    if (sort < 0.5 && question) {
      const { messages, answer: expected } = question;
      return { messages, expected, dialect, stream, maxTokens: MOST_TOKENS, temperature: 0 };
    }
    if (sort < 0.75) {
      const content = "two words ".repeat(1 + Math.floor(random() * MOST_WORD_PAIRS));
      return { messages: [{ role: "user", content }], dialect, stream, maxTokens: 8, temperature: 0 };
    }
    const messages = [{ role: "user", content: `Tell me about ${Math.floor(random() * 1000)} animals.` }] as const;
    const hot: Omit<Ask, "stream"> = {
      messages,
      dialect,
      maxTokens: 20 + Math.floor(random() * 180),
      temperature: 1.5,
    };
    if (sort < 0.85) return { ...hot, stream };
    return { ...hot, stream: true, leaves: sort < 0.95 ? "midway" : "at once" };
  }

  async #send(ask: Ask): Promise<Outcome | { kind: "left" }> {
    const leaving = new AbortController();
    try {
      const sent = fetch(this.#url + PATH[ask.dialect], {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(bodyOf(ask)),
        signal: leaving.signal,
      });
      if (ask.leaves === "at once") setTimeout(() => leaving.abort(), 3);
      const response = await sent;
      if (ask.leaves === "midway" && response.ok) {
        await response.body?.getReader().read();
        leaving.abort();
        return { kind: "left" };
      }
      return outcomeOf(response.status, await response.text());
    } catch (error) {
      return leaving.signal.aborted ? { kind: "left" } : { kind: "broken", what: String(error) };
    }
  }
}

const PATH = { ollama: "/api/chat", openai: "/v1/chat/completions" } as const;

function bodyOf({ messages, dialect, stream, maxTokens, temperature }: Ask): unknown {
  const common = { model: "demo", messages, stream };
  return dialect === "ollama"
    ? { ...common, options: { temperature, num_predict: maxTokens } }
    : { ...common, temperature, max_completion_tokens: maxTokens };
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
