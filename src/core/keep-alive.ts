/** Ollama's keep_alive: a number of seconds, or a duration as Go writes it ("5m", "1h30m", "-1s"). Pure. */
import { ProxyError } from "./errors.ts";

/** In ms. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * In ms; Infinity where it is negative, which Ollama reads as for ever (its api/types.go, Duration).
 * @throws ProxyError invalid_request in Go's words, which Ollama answers
 */
export function keepAliveMs(given: number | string): number {
  const ms = typeof given === "number" ? given * 1000 : goDuration(given);
  if (ms === undefined || Number.isNaN(ms))
    throw new ProxyError("invalid_request", `time: invalid duration ${JSON.stringify(String(given).slice(0, 60))}`, {
      param: "keep_alive",
    });
  return ms < 0 ? Number.POSITIVE_INFINITY : ms;
}

/** A setting: as above, or seconds as text, as OLLAMA_KEEP_ALIVE takes them. Undefined where it is neither. */
export function keepAliveSetting(text: string): number | undefined {
  const ms = /^-?\d+$/.test(text) ? Number(text) * 1000 : goDuration(text);
  return ms === undefined ? undefined : ms < 0 ? Number.POSITIVE_INFINITY : ms;
}

/** Go's time.ParseDuration, in ms; undefined where the text is none. */
function goDuration(text: string): number | undefined {
  const [, sign, parts = ""] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (parts === "0") return 0;
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(parts)) return undefined;
  const sum = [...parts.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)].reduce(
    (total, [, number, unit = ""]) => total + Number(number) * (UNITS[unit] ?? 0),
    0,
  );
  return sign === "-" ? -sum : sum;
}
