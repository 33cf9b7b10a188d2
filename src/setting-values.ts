/** What settings accept: each parser gives the value of a text, or undefined where the text is none. */
import { isIP } from "node:net";

/** A parser of whole numbers between two bounds, both included. */
export function whole(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number | undefined {
  return (text) => (/^\d+$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined);
}

/** Seconds, fractions allowed, as milliseconds; at most 24 days, the longest that a timer can wait. */
export function seconds(text: string): number | undefined {
  const value = /^\d+(\.\d+)?$/.test(text) ? Math.round(Number(text) * 1000) : 0;
  return value > 0 && value < 2 ** 31 ? value : undefined;
}

/** A host's name or IP address without port; an IPv6 address may stand in brackets. */
export function hostName(text: string): string | undefined {
  const name = /^\[(.+)\]$/.exec(text)?.[1] ?? text;
  return isIP(name) !== 0 || /^[\w.-]+$/.test(name) ? name : undefined;
}

/** Host names separated by commas. */
export function hostNames(text: string): readonly string[] | undefined {
  const names = text
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean)
    .map(hostName);
  return names.every((name) => name !== undefined) ? names : undefined;
}

/** An address to put paths behind, without a slash at its end; "" where none is given. */
export function endpoint(text: string): string | undefined {
  if (text === "") return "";
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash)
    return undefined;
  return url.href.replace(/\/+$/, "");
}

/** "auto", or a device in upper case. */
export function deviceName(text: string): string | undefined {
  if (text.toLowerCase() === "auto") return "auto";
  return /^(NPU|CPU|GPU(\.\d+)?)$/i.test(text) ? text.toUpperCase() : undefined;
}

/** A device, never "auto". */
export function oneDevice(text: string): string | undefined {
  const device = deviceName(text);
  return device === "auto" ? undefined : device;
}

/** One of a few words, in lower case. */
export function oneOf<const Word extends string>(...words: readonly Word[]): (text: string) => Word | undefined {
  return (text) => words.find((word) => word === text.toLowerCase());
}

/** Names of models separated by commas; each may end in "@device" (or "@revision"). */
export function modelNames(text: string): readonly string[] | undefined {
  const names = text
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  return names.every((name) => /^[\w.:/@-]+$/.test(name)) ? names : undefined;
}
