/** Why the hub did not give what it was asked for, and whether asking again helps. */
import { ProxyError } from "../../core/errors.ts";

/** The cause of a ProxyError that hub.ts or guarded-fetch.ts throws, for who decides about another attempt. */
export class HubError {
  /** HTTP status of the answer; 0 where there was none. */
  readonly status: number;
  /** "later": the same request may succeed after a while. "anew": a request that starts over, without If-Range, at the hub
   *  itself (an expired link, another content than announced). "never": it will not. */
  readonly retry: "later" | "anew" | "never";
  /** How long the hub asks to be left alone; undefined where it does not say. */
  readonly retryAfterMs: number | undefined;
  /** Nobody took the connection: an address that is wrong stays wrong. */
  readonly absent: boolean;

  constructor(status: number, retry: HubError["retry"], retryAfterMs?: number, absent = false) {
    this.status = status;
    this.retry = retry;
    this.retryAfterMs = retryAfterMs;
    this.absent = absent;
  }
}

/** What an error says about another attempt; undefined where it is not the hub's. */
export function hubErrorOf(thrown: unknown): HubError | undefined {
  return thrown instanceof ProxyError && thrown.cause instanceof HubError ? thrown.cause : undefined;
}

/** No answer at all. `host`: as the sentence names it. `absent`: there was not even a connection. */
export function unreachable(host: string, what: string, detail?: string, absent = false): ProxyError {
  const sentence = `The hub at ${host} ${what}. Check the network, the proxy (HTTPS_PROXY) and HF_ENDPOINT, then try again.`;
  return new ProxyError("hub_unreachable", sentence, {
    ...(detail === undefined ? {} : { detail }),
    cause: new HubError(0, "later", undefined, absent),
  });
}

/** An answer that makes no sense, or would lead somewhere it must not. */
export function refused(sentence: string, status = 0, retry: HubError["retry"] = "never"): ProxyError {
  return new ProxyError("hub_failed", sentence, { cause: new HubError(status, retry) });
}

/** What was asked for, in the words of the sentence that says that it is not there. */
export interface Wanted {
  readonly repository: string;
  readonly revision?: string;
  readonly file?: string;
}

/**
 * The error for an answer with a status of 300 or more. `own`: the hub itself answered, not a host it redirected to.
 * Codes of `X-Error-Code` as Hugging Face sends them: GatedRepo, RepoNotFound (with 401 for who has no token),
 * RevisionNotFound, EntryNotFound. The hub's own text is never repeated: it could say anything.
 */
export function errorOfResponse(
  response: Response,
  own: boolean,
  wanted: Wanted | undefined,
  host: string,
): ProxyError {
  const { status, headers } = response;
  const fail = (code: "hub_denied" | "hub_failed" | "model_not_found", sentence: string, retry: HubError["retry"]) =>
    new ProxyError(code, sentence, { cause: new HubError(status, retry, retryAfterMs(headers, Date.now())) });
  const repository = wanted === undefined ? "What was asked for" : wanted.repository;
  const code = headers.get("X-Error-Code") ?? "";
  if (status === 429)
    return fail(
      "hub_failed",
      `${host} wants fewer requests (429). Wait a few minutes, or set HF_TOKEN for a higher limit.`,
      "later",
    );
  if (status >= 500 || status === 408)
    return fail("hub_failed", `${host} failed (${status}). Try again in a few minutes.`, "later");
  if (!own) return fail("hub_failed", `${host} refused a download (${status}). Pull again for a new link.`, "anew");
  if (code === "GatedRepo")
    return fail(
      "hub_denied",
      `${repository} is gated: open its page on ${host}, accept its conditions, then set HF_TOKEN to a token of that account.`,
      "never",
    );
  if (code === "RevisionNotFound")
    return fail(
      "model_not_found",
      `${repository} has no revision "${wanted?.revision ?? ""}". Name a branch, a tag or a commit of it.`,
      "never",
    );
  if (code === "EntryNotFound" && wanted?.file !== undefined)
    return fail("model_not_found", `${repository} has no file "${wanted.file}" in this revision.`, "never");
  if (status === 401 && code !== "RepoNotFound")
    return fail(
      "hub_denied",
      `${host} wants a token that it knows (401). Set HF_TOKEN to a token of your account there.`,
      "never",
    );
  if (code === "RepoNotFound" || status === 404)
    return fail(
      "model_not_found",
      `${repository} was not found on ${host}. Check the name; if it is private, set HF_TOKEN to a token that may read it.`,
      "never",
    );
  if (status === 403)
    return fail(
      "hub_denied",
      `${host} denies access${wanted === undefined ? "" : ` to ${wanted.repository}`} (403). Set HF_TOKEN to a token that may read it.`,
      "never",
    );
  return fail("hub_failed", `${host} answered with status ${status} where a model was asked for.`, "never");
}

/** `Retry-After` (seconds or a date), else the `t` (seconds) of `RateLimit: "api";r=0;t=55`, in milliseconds from `now`. */
export function retryAfterMs(headers: Headers, now: number): number | undefined {
  const after = headers.get("Retry-After")?.trim() ?? "";
  if (/^\d{1,9}$/.test(after)) return Number(after) * 1000;
  const date = after === "" ? Number.NaN : Date.parse(after);
  if (!Number.isNaN(date)) return Math.max(0, date - now);
  const limit = /;\s*r=0\b.*;\s*t=(\d{1,9})\b|;\s*t=(\d{1,9})\b.*;\s*r=0\b/.exec(headers.get("RateLimit") ?? "");
  const seconds = limit?.[1] ?? limit?.[2];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
