/** Requests of all sorts for the demo, and whether what comes back is right. */
import { type Outcome, outcomeOf } from "./outcome.ts";

const COUNTRIES = ["France", "Italy", "Spain", "Germany", "Poland", "Norway", "Greece", "Portugal"];
const TURNS = [0, 2, 6];
/** Of "two words ": the longest prompt stays within a context of 1,024 tokens. */
const MOST_WORD_PAIRS = 180;

interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
}

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
  readonly #references: (readonly [readonly Message[], string])[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  /** Asks each question that texts are compared for, alone. */
  async prepare(): Promise<void> {
    for (const country of COUNTRIES)
      for (const turns of TURNS) {
        const earlier = Array.from({ length: turns }, (_, n): Message[] => [
          { role: "user", content: "Hello!" },
          { role: "assistant", content: `Hello! How can I help you? ${n}` },
        ]).flat();
        const messages = [...earlier, { role: "user", content: `What is the capital of ${country}?` } as const];
        const outcome = await this.#send({ messages, dialect: "ollama", stream: false, maxTokens: 64, temperature: 0 });
        if (outcome.kind !== "answer") throw new Error(`The server does not answer: ${JSON.stringify(outcome)}`);
        this.#references.push([messages, outcome.text]);
      }
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
    const reference = this.#references[Math.floor(random() * this.#references.length)];
    if (sort < 0.5 && reference) {
      const [messages, expected] = reference;
      return { messages, expected, dialect, stream, maxTokens: 64, temperature: 0 };
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
