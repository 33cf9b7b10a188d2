/** One run of some requests together, however it was made, and the numbers that come out of it. */

/** What one request saw, in nanoseconds since all of its run were sent. */
export interface StreamTimes {
  readonly promptTokens: number;
  readonly tokens: number;
  /** The first token, or the first piece of text at the client. */
  readonly firstNs: number;
  /** The last one. */
  readonly lastNs: number;
}

export interface Numbers {
  /** Median over the requests, in ms. */
  readonly ttftMs: number;
  /** Median over the requests, in µs: from the first to the last token, per token behind the first. */
  readonly tokenUs: number;
  /** All tokens of all requests, through the time from sending to the last one; prefill included. */
  readonly tokensPerSecond: number;
  /** Processor time of the measured processes per token, in µs, prefill included; 0 for a server elsewhere. */
  readonly processorUs: number;
}

/**
 * @param streams of one run, at least one; each with two tokens or more
 * @param processorNs that the run took
 */
export function numbersOf(streams: readonly StreamTimes[], processorNs: number): Numbers {
  const total = streams.reduce((sum, { tokens }) => sum + tokens, 0);
  return {
    ttftMs: median(streams.map(({ firstNs }) => firstNs / 1e6)),
    tokenUs: median(streams.map(({ firstNs, lastNs, tokens }) => (lastNs - firstNs) / (tokens - 1) / 1e3)),
    tokensPerSecond: total / (Math.max(...streams.map(({ lastNs }) => lastNs)) / 1e9),
    processorUs: processorNs / total / 1e3,
  };
}

/** Each number's own median over the rounds. */
export function medianOf(rounds: readonly Numbers[]): Numbers {
  return {
    ttftMs: median(rounds.map(({ ttftMs }) => ttftMs)),
    tokenUs: median(rounds.map(({ tokenUs }) => tokenUs)),
    tokensPerSecond: median(rounds.map(({ tokensPerSecond }) => tokensPerSecond)),
    processorUs: median(rounds.map(({ processorUs }) => processorUs)),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[Math.floor(index)] ?? Number.NaN;
  return (at((sorted.length - 1) / 2) + at(sorted.length / 2)) / 2;
}
