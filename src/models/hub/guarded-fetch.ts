/**
 * The only way to the network that models/ has: a fetch that decides at every hop where a request may go and what it may
 * carry. A hub, or whoever answers in its place, can send redirects and links; none of them leads the token to another
 * origin, nor a request into this machine or its network.
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { ProxyError } from "../../core/errors.ts";
import { type Zone, zoneOf } from "./address-zone.ts";
import { readBody } from "./body.ts";
import { refused, unreachable } from "./hub-error.ts";

/** As fetch's; `token` replaces the configured one for this request. An Authorization header is never passed on. */
export type GuardedInit = RequestInit & { readonly token?: string | undefined };

export interface FollowOptions {
  /** Sees every redirect before it is followed; may throw. `own`: the endpoint's own origin sent it. */
  readonly onRedirect?: (response: Response, own: boolean) => void;
}

export interface GuardedFetch {
  /** Metadata: the endpoint's own origin alone, redirects within it followed; the body is read, at most 32 MiB.
   *  @throws ProxyError hub_unreachable, hub_failed; the signal's reason */
  (url: string | URL, init?: GuardedInit): Promise<Response>;
  /** Bytes: redirects to any public host are followed; the body is the caller's to read or to cancel.
   *  @throws ProxyError hub_unreachable, hub_failed; the signal's reason; what onRedirect throws */
  follow(url: string | URL, init?: GuardedInit, options?: FollowOptions): Promise<Response>;
  /** Whether a response came from the endpoint's own origin. */
  own(response: Response): boolean;
  /** Of the endpoint: what errors and manifests call the hub. */
  readonly host: string;
}

export interface GuardOptions {
  /** Base URL of the hub (HF_ENDPOINT). Its own host may be anywhere: the user named it. */
  readonly endpoint: string;
  readonly token?: string | undefined;
  readonly fetch?: typeof fetch;
  /** All addresses of a host name. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
  /** How long an answer's head, and metadata as a whole, may take. */
  readonly deadlineMs?: number;
}

const HOPS = 6;
/** What fetch says where nobody listens, or where the name is nobody's. */
const ABSENT = ["ECONNREFUSED", "ENOTFOUND"];
const METADATA_LIMIT = 32 << 20;

/** @throws ProxyError invalid_setting where the endpoint is no http(s) URL, or carries a user or a query */
export function createGuardedFetch(options: GuardOptions): GuardedFetch {
  const { token, fetch: send = fetch, resolve = addressesOf, deadlineMs = 30_000 } = options;
  const endpoint = parseEndpoint(options.endpoint);
  const named = zoneOfName(hostName(endpoint));

  const mayCarryToken = (url: URL): boolean =>
    url.origin === endpoint.origin && (url.protocol === "https:" || named === "loopback");

  /** Of every address of a host. None: a name that does not resolve here; fetch will fail, or knows a proxy that resolves
   *  it. That a name may resolve to another address a moment later is what https is for: a host of this network has no
   *  certificate for that name. */
  const zonesOf = async (name: string, signal: AbortSignal): Promise<readonly Zone[]> => {
    const known = zoneOfName(name);
    if (known !== undefined) return [known];
    return (
      await untilAborted(
        resolve(name).catch(() => []),
        signal,
      )
    ).map(zoneOf);
  };

  /** @throws ProxyError hub_failed where a hop must not go */
  const check = async (url: URL, signal: AbortSignal): Promise<void> => {
    if (url.origin === endpoint.origin) return;
    const turn = `${endpoint.host} redirects to ${url.protocol}//${url.host}`;
    if (url.username !== "" || url.password !== "") throw refused(`${turn} with a user name; that is not followed.`);
    const local = named === "loopback" && endpoint.protocol === "http:" && url.protocol === "http:";
    if (url.protocol !== "https:" && !local) throw refused(`${turn}; only https is followed.`);
    const zones = await zonesOf(hostName(url), signal);
    if (local && zones.some((zone) => zone !== "loopback")) throw refused(`${turn}; only https is followed.`);
    if (zones.every((zone) => zone === "public")) return;
    // A hub of this machine or network may redirect within it.
    const home = await zonesOf(hostName(endpoint), signal);
    const strange = zones.find((zone) => zone !== "public" && !home.includes(zone));
    if (strange !== undefined) throw refused(`${turn}, a ${strange} address; that is not followed.`);
  };

  /** One request, no redirect followed. */
  const hop = async (url: URL, { token: given, ...init }: GuardedInit, signal: AbortSignal): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.delete("Authorization");
    headers.delete("Cookie");
    const secret = given ?? token;
    if (secret && mayCarryToken(url)) headers.set("Authorization", `Bearer ${printable(secret)}`);
    try {
      return await send(url, { ...init, headers, redirect: "manual", signal });
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const code = (thrown as { code?: unknown } | null)?.code;
      throw unreachable(
        url.host,
        `did not answer (${typeof code === "string" ? code : "no connection"})`,
        String(thrown),
        ABSENT.includes(String(code)),
      );
    }
  };

  const walk = async (start: URL, init: GuardedInit, signal: AbortSignal, within: FollowOptions | "origin") => {
    let url = start;
    for (let hops = 0; hops <= HOPS; hops += 1) {
      await check(url, signal);
      const response = await hop(url, init, signal);
      const location = response.headers.get("Location");
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return { response, url };
      try {
        const own = url.origin === endpoint.origin;
        const next = URL.parse(location, url.href);
        if (next === null) throw refused(`${url.host} redirects to something that is no URL.`);
        if (within === "origin" && next.origin !== endpoint.origin)
          throw refused(`${endpoint.host} redirects a request for metadata to ${next.host}; that is not followed.`);
        if (within !== "origin") within.onRedirect?.(response, own);
        url = next;
      } finally {
        // A body that nobody reads keeps its connection.
        await response.body?.cancel();
      }
    }
    throw refused(`${endpoint.host} redirects more than ${HOPS} times.`);
  };

  /** Runs with a signal that fires with the caller's, and at the deadline as long as the promise has not settled. */
  const inTime = async <T>({ signal: outer }: GuardedInit, run: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), deadlineMs);
    try {
      outer?.throwIfAborted();
      return await run(outer ? AbortSignal.any([outer, deadline.signal]) : deadline.signal);
    } catch (thrown) {
      if (outer?.aborted) throw outer.reason;
      throw deadline.signal.aborted
        ? unreachable(endpoint.host, `did not answer within ${deadlineMs / 1000} s`)
        : thrown;
    } finally {
      clearTimeout(timer);
    }
  };

  const origins = new WeakMap<Response, string>();

  const metadata = (input: string | URL, init: GuardedInit = {}): Promise<Response> =>
    inTime(init, async (signal) => {
      const url = new URL(input);
      if (url.origin !== endpoint.origin)
        throw refused(`${endpoint.host} refers to ${url.host} for metadata; that is not followed.`);
      const { response } = await walk(url, init, signal, "origin");
      const { status, headers } = response;
      const content = await readBody(response.body, METADATA_LIMIT, endpoint.host, signal);
      if (content === undefined)
        throw refused(`${endpoint.host} answered with more than ${METADATA_LIMIT >> 20} MiB of metadata.`);
      const read = new Response(content, { status, headers });
      origins.set(read, endpoint.origin);
      return read;
    });

  return Object.assign(metadata, {
    follow: (input: string | URL, init: GuardedInit = {}, follow: FollowOptions = {}) =>
      inTime(init, async (signal) => {
        const { response, url } = await walk(new URL(input), init, signal, follow);
        origins.set(response, url.origin);
        return response;
      }),
    own: (response: Response) => origins.get(response) === endpoint.origin,
    host: endpoint.host,
  });
}

function parseEndpoint(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash)
    throw new ProxyError(
      "invalid_setting",
      "HF_ENDPOINT is no URL of a hub. Expected one like https://hub.example, without a user.",
      {
        param: "HF_ENDPOINT",
      },
    );
  return url;
}

/** Without brackets and without the dot that ends a rooted name. */
function hostName(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

/** Undefined: a name that has to be resolved. */
function zoneOfName(name: string): Zone | undefined {
  if (name === "localhost" || name.endsWith(".localhost")) return "loopback";
  return isIP(name) === 0 ? undefined : zoneOf(name);
}

async function addressesOf(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/** A header cannot carry anything else, and what fetch says about it would repeat the token. */
function printable(token: string): string {
  if (/^[\x21-\x7e]{1,4096}$/.test(token)) return token;
  throw new ProxyError("hub_denied", "The token for the hub has characters that no token has. Check HF_TOKEN.");
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason);
    if (signal.aborted) return leave();
    signal.addEventListener("abort", leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}
