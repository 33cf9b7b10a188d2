/** Sampling parameters by the names that APIs and Modelfiles give them, in the engine's terms. Pure. */
import { ProxyError } from "./errors.ts";
import type { Sampling } from "./request.ts";

/** Most stop strings of a request, and the most UTF-16 units of each: matching costs time per token for every one. */
export const MAX_STOPS = 16;
export const MAX_STOP_LENGTH = 256;

type Type = "integer" | "float32" | "boolean" | "array";

/** Every option that Ollama knows (its api/types.go). Those without a range shape the engine, not the answer: checked and then ignored. */
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
 * The sampling that Ollama's `options`, or a Modelfile's PARAMETERs, ask for. Errors use Ollama's words, which clients match.
 * @param onUnknown told of each option that Ollama does not have; it is ignored, as Ollama does.
 * @throws ProxyError invalid_request
 */
export function samplingFromOptions(
  given: Readonly<Record<string, unknown>>,
  onUnknown: (option: string) => void,
): Sampling {
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

/** Sampling parameters as an API's body has them: null and undefined both mean "not given". */
export type GivenSampling = {
  readonly [K in Exclude<keyof Sampling, "stop">]?: Sampling[K] | null | undefined;
} & { readonly stop?: string | readonly string[] | null | undefined };

/** Only what was given, in the engine's terms. */
export function sampling(given: GivenSampling): Sampling {
  const { stop, seed, topP, topK, ...rest } = given;
  const stops = (typeof stop === "string" ? [stop] : (stop ?? [])).filter((text) => text !== "");
  const all = {
    ...rest,
    // A negative seed asks for a random one, as Ollama's default of -1 does.
    seed: seed != null && seed < 0 ? undefined : seed,
    // The engine refuses a nucleus of nothing; what callers mean by it is the most likely token.
    topP: topP === 0 ? undefined : topP,
    topK: topP === 0 ? 1 : topK != null && topK < 0 ? 0 : topK,
    stop: stops.length > 0 ? stops : undefined,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value != null)) as Sampling;
}
