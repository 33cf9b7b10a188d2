import type { Sampling } from "../../core/request.ts";

/** Ollama's defaults where neither the model nor the request says otherwise (its api/types.go). */
export const OLLAMA_DEFAULTS: Sampling = { temperature: 0.8, topK: 40, topP: 0.9, repetitionPenalty: 1 };

/** The parameters that a model's own defaults set, by Ollama's names. */
export function parametersOf(defaults: Sampling): Readonly<Record<string, number | readonly string[]>> {
  const named: Readonly<Record<string, number | readonly string[] | undefined>> = {
    temperature: defaults.temperature,
    top_k: defaults.topK,
    top_p: defaults.topP,
    min_p: defaults.minP,
    seed: defaults.seed,
    repeat_penalty: defaults.repetitionPenalty,
    presence_penalty: defaults.presencePenalty,
    frequency_penalty: defaults.frequencyPenalty,
    num_predict: defaults.maxTokens,
    stop: defaults.stop,
  };
  return Object.fromEntries(Object.entries(named).filter((entry): entry is [string, number] => entry[1] !== undefined));
}
