/** Whether a model answers sensibly on a device: what broken kernels and compilers show. Pure. */

/** What an engine said to the probe. */
export interface Said {
  readonly text: string;
  /** Token text and log probability; empty where the pipeline has none (NPU). */
  readonly logprobs: readonly (readonly [string, number])[];
}

/** Every language model goes on with the same word, so that all devices must. */
export const PROBE = "one two three four five one two three four five one two three four";
export const PROBE_TOKENS = 16;

/** A token of this log probability or more is no toss-up (90 %): a device may round otherwise and still chooses it. */
const DECIDED = -0.1;
/** What rounding may add to a probability of 1. */
const ROUNDING = 0.01;

/** What is wrong with an answer, to complete a sentence; undefined: nothing. `first`: the first token of another device. */
export function faultOf({ text, logprobs }: Said, first?: string): string | undefined {
  if (logprobs.some(([, logprob]) => !Number.isFinite(logprob))) return "its probabilities are no numbers";
  if (logprobs.some(([, logprob]) => logprob > ROUNDING)) return "its probabilities are above 1";
  if (text.includes("\0")) return "its text has NUL characters";
  if (first !== undefined && !text.startsWith(first))
    return `its answer begins ${shown(text)} where the CPU says ${shown(first)}`;
  return undefined;
}

/** The same of a probe that failed: logits that are no numbers have no sum, and GenAI misses it where probabilities are asked for. */
export function faultOfFailure(message: string): string | undefined {
  return message.includes("log_sum_exp was not computed") ? "its probabilities are no numbers" : undefined;
}

/** The first token, where it was no toss-up and is whole text. */
export function decidedToken({ text, logprobs }: Said): string | undefined {
  const [token, logprob] = logprobs[0] ?? ["", Number.NaN];
  const whole = token.trim() !== "" && !token.includes("\uFFFD") && text.startsWith(token);
  return whole && logprob >= DECIDED ? token : undefined;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 20));
}
