/** How fast a model runs on a device, measured by its own requests. Pure. */

export interface Speed {
  /** Prompt tokens per second of prefill. */
  readonly promptTokensPerSecond: number;
  /** Tokens per second of one stream. */
  readonly tokensPerSecond: number;
  /** Answers that were measured. */
  readonly samples: number;
}

/** A finished generation. */
export interface SpeedSample {
  readonly promptTokens: number;
  readonly promptNs: number;
  readonly completionTokens: number;
  readonly decodeNs: number;
}

/** Share of a new sample in the moving average. */
const WEIGHT = 0.2;

/** The moving average with one more sample; a sample that tells nothing (no time, one token) leaves its part as it was. */
export function withSample(speed: Speed | undefined, sample: SpeedSample): Speed {
  const prompt = perSecond(sample.promptTokens, sample.promptNs);
  const decode = perSecond(sample.completionTokens - 1, sample.decodeNs);
  return {
    promptTokensPerSecond: average(speed?.promptTokensPerSecond, prompt),
    tokensPerSecond: average(speed?.tokensPerSecond, decode),
    samples: (speed?.samples ?? 0) + 1,
  };
}

/** Expected time of a request, in ms; undefined where nothing was measured. */
export function expectedMs(speed: Speed | undefined, promptTokens: number, outputTokens: number): number | undefined {
  if (!speed || speed.promptTokensPerSecond <= 0 || speed.tokensPerSecond <= 0) return undefined;
  return 1000 * (promptTokens / speed.promptTokensPerSecond + outputTokens / speed.tokensPerSecond);
}

function perSecond(tokens: number, ns: number): number | undefined {
  return tokens > 0 && ns > 0 ? (tokens / ns) * 1e9 : undefined;
}

function average(before: number | undefined, now: number | undefined): number {
  if (now === undefined) return before ?? 0;
  return before ? before + WEIGHT * (now - before) : now;
}
