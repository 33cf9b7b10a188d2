/**
 * A Hugging Face hub. @huggingface/hub speaks its protocol for metadata, through the guarded fetch; the bytes of files take
 * our own path, because the library neither verifies, resumes nor aborts.
 */
import { HUB_URL, listFiles, modelInfo } from "@huggingface/hub";
import { array, nullish, object, pipe, regex, safeParse, string, unknown } from "valibot";
import { ProxyError } from "../../core/errors.ts";
import type { Observer } from "../../core/ports.ts";
import { readBody, readStart } from "./body.ts";
import { createGuardedFetch, type GuardedFetch } from "./guarded-fetch.ts";
import { checkAnnounced, corrupt, isContentOf, startOf } from "./hub-content.ts";
import { errorOfResponse, HubError, refused, type Wanted } from "./hub-error.ts";
import { type HubFile, isSafePath, parseHubFile } from "./hub-file.ts";
import { createHubSearch, type HubSearch } from "./hub-search.ts";
import { STALL_MS, StallWatch } from "./stall-watch.ts";

export interface HubOptions {
  /** HF_ENDPOINT, which may have a path, as mirrors do; "" is Hugging Face. */
  readonly endpoint: string;
  /** HF_TOKEN; "" is none. */
  readonly token?: string | undefined;
  /** What searches found is kept in its folder "search". */
  readonly cacheDirectory: string;
  readonly observer: Observer;
  readonly fetch?: typeof fetch;
  /** How long a file that is read here may send nothing. */
  readonly stallMs?: number;
}

export interface Resolved {
  /** 40 hex digits. */
  readonly commit: string;
  readonly tags: readonly string[];
  readonly license?: string;
}

export interface OpenOptions {
  /** Offset in bytes to begin at. */
  readonly from: number;
  /** The `etag` of the answer that the earlier bytes came from. */
  readonly ifRange?: string | undefined;
  readonly signal: AbortSignal;
  readonly token?: string | undefined;
}

export interface Opened {
  /** To be read or cancelled. Nothing in it is verified yet. */
  readonly body: ReadableStream<Uint8Array>;
  /** Offset of its first byte: `from`, or 0 where the server starts over. */
  readonly start: number;
  /** For `ifRange`; "" where there is none that can be used so. */
  readonly etag: string;
}

/** Errors carry a HubError as their cause, which says whether asking again helps. A `token` replaces the configured one. */
export interface Hub {
  /** As manifests and sentences name it: the host of its address. */
  readonly host: string;
  /** @throws ProxyError invalid_request, model_not_found, hub_unreachable, hub_denied, hub_failed */
  resolve(repository: string, revision: string, signal: AbortSignal, token?: string): Promise<Resolved>;
  /** Every file, sorted by path; the list of a commit is asked for once.
   *  @throws as resolve; hub_failed where a name, a size or a hash cannot be one */
  files(repository: string, commit: string, signal: AbortSignal, token?: string): Promise<readonly HubFile[]>;
  /** A small file, verified. @throws as open; hub_unreachable where it stalls or breaks off; hub_failed where it has more than maxBytes; download_corrupt */
  read(
    repository: string,
    commit: string,
    path: string,
    maxBytes: number,
    signal: AbortSignal,
    token?: string,
  ): Promise<Uint8Array>;
  /** Up to `length` bytes of a file from `position`, not verified; fewer only at its end.
   *  @throws as open; hub_unreachable where it stalls or breaks off; hub_failed where ranges are not served */
  readRange(
    repository: string,
    commit: string,
    path: string,
    range: { readonly position: number; readonly length: number },
    signal: AbortSignal,
    token?: string,
  ): Promise<Uint8Array>;
  /** A file's bytes, for who watches over them. @throws as files; model_not_found; download_corrupt where the hub announces another content */
  open(repository: string, commit: string, path: string, options: OpenOptions): Promise<Opened>;
  readonly search: HubSearch;
}

/** Lists of files kept, each of one commit. */
const LISTINGS = 16;
const MOST_FILES = 10_000;
/** Of one list; the hub's own have 500 entries and more. Pages of nothing, each with a next one, would never end. */
const MOST_PAGES = 100;
/** Of a hub without ranges: bytes that are read once more to come to where the last range ended. */
const MOST_SKIPPED = 64 << 20;

const info = object({
  sha: pipe(string(), regex(/^[0-9a-f]{40}$/)),
  tags: nullish(array(string())),
  cardData: nullish(object({ license: nullish(unknown()) })),
});

/** @throws ProxyError invalid_setting where the endpoint is no hub's URL */
export function createHub(options: HubOptions): Hub {
  const { endpoint: given, token, cacheDirectory, observer, fetch: send, stallMs = STALL_MS } = options;
  const endpoint = given || HUB_URL;
  const guarded = createGuardedFetch({ endpoint, token, ...(send ? { fetch: send } : {}) });
  const base = endpoint.replace(/\/+$/, "");
  const host = guarded.host;
  const listings = new Map<string, readonly HubFile[]>();

  const metadata = (wanted: Wanted | undefined, signal: AbortSignal, own: string | undefined) =>
    metadataFetch(guarded, observer, wanted, signal, own);

  const files: Hub["files"] = async (repository, commit, signal, own) => {
    checkNames(repository, commit);
    // Another token may see another list.
    const key = `${repository} ${commit} ${own ?? ""}`;
    const known = listings.get(key);
    if (known !== undefined) return known;
    const found = new Map<string, HubFile>();
    await asking(host, signal, async () => {
      const fetch = metadata({ repository, revision: commit }, signal, own);
      for await (const entry of listFiles({
        repo: repository,
        revision: commit,
        recursive: true,
        hubUrl: base,
        fetch,
      })) {
        const file = parseHubFile(entry, repository);
        if (file === undefined) continue;
        // What differs in case alone is one file on Windows, where the second would replace the first.
        const name = file.path.toLowerCase();
        if (found.has(name) || found.size === MOST_FILES)
          throw refused(`The hub's list of the files of ${repository} is too long, or has "${file.path}" twice.`);
        found.set(name, file);
      }
    });
    const list = [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
    listings.set(key, list);
    for (const oldest of listings.keys()) if (listings.size > LISTINGS) listings.delete(oldest);
    return list;
  };

  const fileOf = async (repository: string, commit: string, path: string, signal: AbortSignal, own?: string) => {
    const file = (await files(repository, commit, signal, own)).find((one) => one.path === path);
    if (file !== undefined) return file;
    throw new ProxyError("model_not_found", `${repository} has no file "${path}" in this revision.`);
  };

  const open: Hub["open"] = async (repository, commit, path, { from, ifRange, signal, token: own }) => {
    const file = await fileOf(repository, commit, path, signal, own);
    const { size } = file;
    if (size === 0 || from === size) return { body: new Blob([]).stream(), start: size, etag: "" };
    const headers = new Headers({ "Accept-Encoding": "identity" });
    if (from > 0 && from < size) {
      headers.set("Range", `bytes=${from}-`);
      if (ifRange) headers.set("If-Range", ifRange);
    }
    const url = `${base}/${repository}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
    const onRedirect = (redirect: Response, fromHub: boolean): void => {
      if (fromHub) checkAnnounced(redirect.headers, file, commit);
    };
    const response = await guarded.follow(url, { headers, signal, token: own }, { onRedirect });
    const { status, body } = response;
    observer.log("debug", "hub file", { repository, path, from, status });
    try {
      const isOwn = guarded.own(response);
      if (status !== 200 && status !== 206)
        throw status === 416
          ? corrupt(path, "a range that it does not have", 416)
          : errorOfResponse(response, isOwn, { repository, revision: commit, file: path }, host);
      if (isOwn) checkAnnounced(response.headers, file, commit);
      const start = startOf(response, file, from);
      const etag = response.headers.get("ETag") ?? "";
      return { body: body ?? new Blob([]).stream(), start, etag: etag.startsWith('"') ? etag : "" };
    } catch (thrown) {
      await body?.cancel();
      throw thrown;
    }
  };

  return {
    host,
    files,
    open,
    search: createHubSearch({
      base,
      cacheDirectory,
      observer,
      fetch: (signal) => metadata(undefined, signal, undefined),
      asking: (signal, run) => asking(host, signal, run),
    }),

    resolve: async (repository, revision, signal, own) => {
      checkNames(repository, revision);
      const answer = await asking(host, signal, () =>
        modelInfo({
          name: repository,
          revision,
          hubUrl: base,
          additionalFields: ["sha", "tags", "cardData"],
          fetch: metadata({ repository, revision }, signal, own),
        }),
      );
      const { success, output } = safeParse(info, answer);
      if (!success) throw refused(`${host} describes ${repository} in a way that makes no sense. Try again later.`);
      const { sha: commit, tags } = output;
      const license = output.cardData?.license ?? tags?.find((tag) => tag.startsWith("license:"))?.slice(8);
      return {
        commit,
        tags: tags ?? [],
        ...(typeof license === "string" ? { license } : {}),
      };
    },

    read: async (repository, commit, path, maxBytes, signal, own) => {
      const file = await fileOf(repository, commit, path, signal, own);
      if (file.size > maxBytes)
        throw refused(`"${path}" of ${repository} is ${file.size} bytes; ${maxBytes} at most are read.`);
      using watch = new StallWatch({ host, path, stallMs, signal });
      const { body } = await open(repository, commit, path, { from: 0, signal: watch.signal, token: own });
      const content = await readBody(watch.piecesOf(body), file.size, host, watch.signal);
      if (content === undefined) throw corrupt(path, "more bytes than its list says");
      if (content.length < file.size) throw corrupt(path, `${content.length} of ${file.size} bytes`);
      if (!isContentOf(content, file)) throw corrupt(path, "another content than its list says");
      return content;
    },

    readRange: async (repository, commit, path, { position, length }, signal, own) => {
      using watch = new StallWatch({ host, path, stallMs, signal });
      const { body, start } = await open(repository, commit, path, {
        from: position,
        signal: watch.signal,
        token: own,
      });
      const skipped = position - start;
      if (skipped > MOST_SKIPPED) {
        await body.cancel();
        throw refused(`${host} sends ${path} from its beginning alone, so that its header cannot be read.`);
      }
      const content = await readStart(watch.piecesOf(body), skipped + length, host, watch.signal);
      return content.subarray(skipped);
    },
  };
}

/** A fetch for one call of the library: aborts with the signal, carries the token as the guard allows, throws for every bad status. */
function metadataFetch(
  guarded: GuardedFetch,
  observer: Observer,
  wanted: Wanted | undefined,
  signal: AbortSignal,
  token: string | undefined,
): typeof fetch {
  let pages = 0;
  const ask = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    if (++pages > MOST_PAGES) throw refused(`${guarded.host} sends a list of more than ${MOST_PAGES} pages.`);
    const url = new URL(input instanceof Request ? input.url : input);
    const response = await guarded(url, { ...init, signal, token });
    observer.log("debug", "hub", { path: url.pathname, status: response.status });
    if (!response.ok) throw errorOfResponse(response, true, wanted, guarded.host);
    return response;
  };
  return ask as typeof fetch;
}

/** Whatever the library throws about an answer that it does not understand, as our own error. */
async function asking<T>(host: string, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    if (signal.aborted) throw signal.reason;
    if (thrown instanceof ProxyError) throw thrown;
    throw new ProxyError("hub_failed", `${host} answered with something that is no hub's answer. Check HF_ENDPOINT.`, {
      detail: String(thrown),
      cause: new HubError(200, "later"),
    });
  }
}

/** The library puts both into a URL, the commit as it is. */
function checkNames(repository: string, revision: string): void {
  if (!/^[\w][\w.-]{0,95}\/[\w][\w.-]{0,95}$/.test(repository) || repository.includes(".."))
    throw new ProxyError(
      "invalid_request",
      "That is no repository of a hub. Expected organisation/name, e.g. OpenVINO/Qwen3-8B-int4-ov.",
    );
  if (!/^[\w][\w./-]{0,199}$/.test(revision) || !isSafePath(revision))
    throw new ProxyError("invalid_request", "That is no revision. Expected a branch, a tag or a commit, e.g. main.");
}
