import type { Sampling } from "../core/request.ts";

/** Most stop strings of a request, and the most UTF-16 units of each: matching costs time per token for every one. */
export const MAX_STOPS = 16;
export const MAX_STOP_LENGTH = 256;

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
