import type { TokenLogprob } from "../core/request.ts";

const encoder = new TextEncoder();

/**
 * A token's log probability in the shape that OpenAI's and Ollama's APIs share. `top_logprobs` is always empty: the
 * engine tells the chosen token's probability and knows no alternatives, however many were asked for.
 */
export function logprobOf({ token, logprob }: TokenLogprob) {
  return { token, logprob, bytes: [...encoder.encode(token)], top_logprobs: [] };
}
