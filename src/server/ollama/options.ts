import { ProxyError } from "../../core/errors.ts";
import type { Sampling } from "../../core/request.ts";
import { MAX_STOP_LENGTH, MAX_STOPS, sampling } from "../sampling.ts";

/** Ollama's defaults where neither the model nor the request says otherwise (its api/types.go). */
export const OLLAMA_DEFAULTS: Sampling = { temperature: 0.8, topK: 40, topP: 0.9, repetitionPenalty: 1 };

type Type = "integer" | "float32" | "boolean" | "array";

/** Every option that Ollama knows. Those without a range shape the engine, not the answer: checked and then ignored. */
const OPTIONS: Readonly<Record<string, { readonly type: Type; readonly min?: number; readonly max?: number }>> = {
  temperature: { type: "float32", min: 0, max: 100 },
  top_p: { type: "float32", min: 0, max: 1 },
  min_p: { type: "float32", min: 0, max: 1 },
  top_k: { type: "integer", min: -1, max: 1e9 },
  seed: { type: "integer", min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER },
  num_predict: { type: "integer", min: -1e9, max: 1e9 },
  repeat_penalty: { type: "float32", min: 0.01, max: 100 },
  presence_penalty: { type: "float32", min: -2, max: 2 },
  frequency_penalty: { type: "float32", min: -2, max: 2 },
  stop: { type: "array" },
  num_ctx: { type: "integer" },
  num_batch: { type: "integer" },
  num_gpu: { type: "integer" },
  main_gpu: { type: "integer" },
  use_mmap: { type: "boolean" },
  num_thread: { type: "integer" },
  draft_num_predict: { type: "integer" },
  num_keep: { type: "integer" },
  typical_p: { type: "float32" },
  repeat_last_n: { type: "integer" },
};

/**
 * The sampling that a request's `options` ask for. Errors use Ollama's words, which clients match.
 * @param onUnknown told of each option that Ollama does not have; it is ignored, as Ollama does.
 * @throws ProxyError invalid_request
 */
export function samplingOf(given: Readonly<Record<string, unknown>>, onUnknown: (option: string) => void): Sampling {
  const numbers: Record<string, number> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === null || name === "stop") continue;
    const option = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined;
    if (!option) {
      onUnknown(name);
      continue;
    }
    if (typeof value !== (option.type === "boolean" ? "boolean" : "number"))
      throw invalid(name, `must be of type ${option.type}`);
    if (typeof value !== "number") continue;
    const { min, max } = option;
    if (min !== undefined && max !== undefined && !(value >= min && value <= max))
      throw invalid(name, `must be between ${min} and ${max}`);
    numbers[name] = option.type === "integer" ? Math.trunc(value) : value;
  }
  const limit = numbers["num_predict"];
  return sampling({
    // Negative: no limit. Zero too: Ollama leaves a zero out of what it asks its engine for.
    maxTokens: limit !== undefined && limit > 0 ? limit : undefined,
    temperature: numbers["temperature"],
    topP: numbers["top_p"],
    topK: numbers["top_k"],
    minP: numbers["min_p"],
    seed: numbers["seed"],
    repetitionPenalty: numbers["repeat_penalty"],
    presencePenalty: numbers["presence_penalty"],
    frequencyPenalty: numbers["frequency_penalty"],
    stop: stopsOf(given["stop"]),
  });
}

function stopsOf(value: unknown): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  const stops = typeof value === "string" ? [value] : value;
  if (!Array.isArray(stops)) throw invalid("stop", "must be of type array");
  if (!stops.every((stop) => typeof stop === "string")) throw invalid("stop", "must be of an array of strings");
  if (stops.length > MAX_STOPS) throw invalid("stop", `must have at most ${MAX_STOPS} strings`);
  if (stops.some((stop) => stop.length > MAX_STOP_LENGTH))
    throw invalid("stop", `must have strings of at most ${MAX_STOP_LENGTH} characters`);
  return stops;
}

function invalid(option: string, predicate: string): ProxyError {
  return new ProxyError("invalid_request", `option "${option}" ${predicate}`, { param: `options.${option}` });
}

/** Ollama's name of each parameter that a model's own defaults may set, as /api/show lists them. */
export function parametersOf(defaults: Sampling): readonly (readonly [string, string])[] {
  const named: readonly (readonly [string, number | undefined])[] = [
    ["temperature", defaults.temperature],
    ["top_k", defaults.topK],
    ["top_p", defaults.topP],
    ["min_p", defaults.minP],
    ["repeat_penalty", defaults.repetitionPenalty],
    ["presence_penalty", defaults.presencePenalty],
    ["frequency_penalty", defaults.frequencyPenalty],
    ["num_predict", defaults.maxTokens],
  ];
  return [
    ...named.flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as const])),
    ...(defaults.stop ?? []).map((stop) => ["stop", JSON.stringify(stop)] as const),
  ];
}
