/** Questions whose greedy answer is certain, so that it can be compared whoever else is running. */
import { AddonHost } from "../native/addon-host.ts";

const COUNTRIES = ["France", "Italy", "Spain", "Germany", "Poland", "Norway", "Greece", "Portugal"];
/** Turns of the conversation before the question. */
const TURNS = [0, 1, 2, 6];
/** Longest answer that texts are compared of, in tokens. */
export const MOST_TOKENS = 64;
/** Log probability of a token that was no close choice. */
const DECIDED = -0.1;
/** In tokens: more than any of these questions has. */
const NPU_PROMPT = 512;

export interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
}

export interface Question {
  readonly messages: readonly Message[];
  readonly answer: string;
}

/**
 * Asks the addon itself, alone, each question that texts are compared for. A text whose tokens were a close choice is
 * left out: the cache's rounding, which depends on who runs beside it, may turn that choice.
 * @param onNpuToo only what the NPU's pipeline answers in the same words
 */
export async function certainQuestions(onNpuToo = false): Promise<readonly Question[]> {
  await using cpu = await AddonHost.onCpu();
  await using npu = onNpuToo ? await AddonHost.onEmulatedNpu(NPU_PROMPT, MOST_TOKENS) : undefined;
  const questions: Question[] = [];
  for (const messages of COUNTRIES.flatMap((country) => TURNS.map((turns) => conversation(country, turns)))) {
    const rendered = await cpu.call("render", messages, { addGenerationPrompt: true });
    const prompt = await cpu.call("encode", rendered, false);
    const greedy = { max_new_tokens: MOST_TOKENS, do_sample: false } as const;
    const { finish, logprobs, text } = await cpu.call("generate", { prompt, sampling: { ...greedy, logprobs: 1 } });
    if (finish !== "stop" || logprobs.some(([, logprob]) => logprob <= DECIDED)) continue;
    if (npu && (await npu.call("generate", { prompt, sampling: greedy })).text !== text) continue;
    questions.push({ messages, answer: text });
  }
  if (questions.length < COUNTRIES.length)
    throw new Error(`The demo is sure of ${questions.length} answers only: too few to compare texts.`);
  return questions;
}

function conversation(country: string, turns: number): Message[] {
  const earlier = Array.from({ length: turns }, (): Message[] => [
    { role: "user", content: "What is the capital of Sweden?" },
    { role: "assistant", content: "The capital of Sweden is Stockholm." },
  ]).flat();
  return [...earlier, { role: "user", content: `What is the capital of ${country}?` }];
}
