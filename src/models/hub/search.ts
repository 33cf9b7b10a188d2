/** Finding models: the hub's answer filtered, sorted and paged, and what this machine can do with each of them. */
import { ProxyError } from "../../core/errors.ts";
import type { CatalogEntry, SearchPage, SearchQuery, SearchResult, SearchSort } from "../../core/library.ts";
import type { Model } from "../../core/model.ts";
import type { Observer } from "../../core/ports.ts";
import type { DeviceInfo } from "../../core/request.ts";
import type { Catalog } from "../catalog.ts";
import { fitnessOf } from "../inspect/fitness.ts";
import type { FoundModel } from "./found-model.ts";
import type { Hub } from "./hub.ts";
import type { HubQuery } from "./hub-search.ts";

export interface SearchOptions {
  readonly hub: Pick<Hub, "host" | "search">;
  readonly catalog: Pick<Catalog, "entries">;
  readonly devices: (signal: AbortSignal) => Promise<readonly DeviceInfo[]>;
  /** The models of the store. */
  readonly models: () => Promise<readonly Pick<Model, "name" | "source">[]>;
  readonly observer: Observer;
}

/** @throws ProxyError invalid_request; the signal's reason. A hub that does not answer is no error: the catalogue does. */
export type Search = (query: SearchQuery, signal: AbortSignal) => Promise<SearchPage>;

const HUB_SORTS: Readonly<Record<SearchSort, HubQuery["sort"]>> = {
  popular: "downloads",
  downloads: "downloads",
  likes: "likes",
  newest: "lastModified",
};

const LONGEST_TEXT = 200;

/** Of what the hub did not name: by the catalogue it can be pulled, and nothing tells how often it was. */
const IN_CATALOGUE = "in the catalogue";

export function createSearch({ hub, catalog, devices, models, observer }: SearchOptions): Search {
  /** A machine whose devices cannot be found can still search. */
  const known = (signal: AbortSignal): Promise<readonly DeviceInfo[]> =>
    devices(signal).catch((thrown: unknown) => {
      signal.throwIfAborted();
      observer.log("warn", "a search cannot tell what runs here", { reason: String(thrown) });
      return [];
    });

  return async (query, signal) => {
    checkQuery(query);
    const [machine, stored] = await Promise.all([known(signal), models()]);
    const entries = new Map(
      catalog
        .entries()
        .map((entry) => [entry.repository.toLowerCase(), entry])
        .reverse() as [string, CatalogEntry][],
    );
    const names = new Set(stored.map(({ name }) => name.toLowerCase()));
    const repositories = new Set(stored.flatMap(({ source }) => source?.repository.toLowerCase() ?? []));
    const isPulled = (name: string, repository: string): boolean =>
      names.has(name.toLowerCase()) || repositories.has(repository.toLowerCase());
    const classes = (runs: (device: string) => boolean): string[] =>
      machine.map(({ name }) => name).filter((name) => runs(name.replace(/\..*/, "")));

    const ofEntry = (entry: CatalogEntry, found?: FoundModel): SearchResult => ({
      name: entry.name,
      repository: entry.repository,
      kind: entry.kind,
      quantization: entry.quantization,
      downloads: found?.downloads ?? 0,
      likes: found?.likes ?? 0,
      updated: found?.updated ?? "",
      devices: classes((device) => entry.devices.some((one) => one === device)),
      pulled: isPulled(entry.name, entry.repository),
      gated: found?.gated ?? false,
      remarks: found?.remarks ?? (entry.convert ? ["not OpenVINO: will be converted"] : []),
    });

    const ofFound = (found: FoundModel): SearchResult => {
      const entry = entries.get(found.repository.toLowerCase());
      if (entry !== undefined) return ofEntry(entry, found);
      const { repository, kind, quantization, downloads, likes, updated, gated, remarks } = found;
      const fits = new Set<string>(expectedDevices(found));
      return {
        name: repository,
        repository,
        kind,
        quantization,
        downloads,
        likes,
        updated,
        gated,
        remarks,
        pulled: isPulled(`${repository}:latest`, repository),
        devices: classes((one) => fits.has(one)),
      };
    };

    const { text, sort, author } = query;
    try {
      const found = await hub.search(
        { text, sort: HUB_SORTS[sort], ...(author === undefined ? {} : { author }) },
        signal,
      );
      const { minDownloads = 0 } = query;
      const told = new Set(found.map(({ repository }) => repository.toLowerCase()));
      // The first entry of each repository: two names of one would be two of it.
      const rest = [...entries.values()]
        .filter((entry) => mentions(entry, text) && !told.has(entry.repository.toLowerCase()))
        .map((entry) => ofEntry(entry))
        .map((one) => ({ ...one, remarks: [IN_CATALOGUE, ...one.remarks] }));
      const results = [...found.map(ofFound), ...rest].filter(
        (one) => matches(one, query) && one.downloads >= minDownloads,
      );
      return { ...pageOf(results.sort(order(sort)), query), from: "hub" };
    } catch (thrown) {
      if (!(thrown instanceof ProxyError) || !thrown.code.startsWith("hub_")) throw thrown;
      observer.log("warn", "a search was answered from the catalogue", { code: thrown.code, reason: thrown.message });
      const results = catalog
        .entries()
        .filter((entry) => mentions(entry, text))
        .map((entry) => ofEntry(entry));
      const note = `From the catalogue alone, without numbers of downloads: ${thrown.message}`;
      return {
        ...pageOf(
          results.filter((one) => matches(one, query)),
          query,
        ),
        from: "catalog",
        note,
      };
    }
  };
}

function checkQuery({ text, limit, offset, minDownloads = 0, author = "x" }: SearchQuery): void {
  const refuse = (param: string, expected: string): ProxyError =>
    new ProxyError("invalid_request", `"${param}" of a search has to be ${expected}.`, { param });
  if (text.length > LONGEST_TEXT) throw refuse("q", `at most ${LONGEST_TEXT} characters long`);
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw refuse("limit", "a whole number from 1 to 100");
  if (!Number.isSafeInteger(offset) || offset < 0) throw refuse("offset", "a whole number, 0 or more");
  if (!Number.isSafeInteger(minDownloads) || minDownloads < 0)
    throw refuse("min_downloads", "a whole number, 0 or more");
  if (!/^\w[\w.-]{0,95}$/.test(author)) throw refuse("author", "the name of an organisation or a user of the hub");
}

/** Of the classes NPU, GPU and CPU, by what name and tags tell; what they leave open is taken as exported by default. */
function expectedDevices({ kind, format, quantization, parameters, family, repository }: FoundModel): string[] {
  if (format === "other") return [];
  const channelWise = quantization === "INT4 channel-wise";
  const facts = {
    kind,
    format,
    family,
    // Of embedding models, those with a decoder carry its family's name.
    architecture: /qwen|llama|mistral|gemma/i.test(repository) ? "ForCausalLM" : "",
    quantization: channelWise ? "INT4" : quantization,
    parameters,
    ...(quantization === "INT4" ? { groupSize: 128 } : channelWise ? { groupSize: -1, symmetric: true } : {}),
  };
  return fitnessOf(facts).flatMap(({ device, fits }) => (fits ? device : []));
}

function matches({ kind, quantization, repository }: SearchResult, query: SearchQuery): boolean {
  const author = repository.split("/")[0]?.toLowerCase();
  const wanted = query.quantization?.toLowerCase().replace(/[-_ ](cw|channel-?wise)$/, " channel-wise");
  const has = quantization.toLowerCase();
  return (
    (query.kind === undefined || query.kind === kind) &&
    (query.author === undefined || query.author.toLowerCase() === author) &&
    (wanted === undefined || has === wanted || has.startsWith(`${wanted} `) || has.startsWith(`${wanted}_`))
  );
}

/** Whether every word occurs in what the catalogue tells about a model. */
function mentions({ name, aliases, family, repository, description = "" }: CatalogEntry, text: string): boolean {
  const told = [name, ...aliases, family, repository, description].join(" ").toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => told.includes(word));
}

/** The first is the best. "popular": what can be served as it is, or by the catalogue's word, before what has remarks.
 *  Equal ones by name, so that the pages of one search fit together. */
function order(sort: SearchSort): (a: SearchResult, b: SearchResult) => number {
  const ranks = ({ downloads, likes, updated, remarks }: SearchResult): number[] => {
    if (sort === "newest") return [Date.parse(updated) || 0];
    if (sort === "likes") return [likes, downloads];
    const good = remarks.length === 0 || remarks.includes(IN_CATALOGUE);
    return sort === "popular" ? [good ? 1 : 0, downloads, likes] : [downloads, likes];
  };
  return (a, b) => {
    const other = ranks(b);
    const difference = ranks(a)
      .map((rank, index) => (other[index] ?? 0) - rank)
      .find((one) => one !== 0);
    return difference ?? (a.repository < b.repository ? -1 : 1);
  };
}

function pageOf(
  all: readonly SearchResult[],
  { offset, limit }: SearchQuery,
): Pick<SearchPage, "results" | "total" | "hasMore"> {
  return { results: all.slice(offset, offset + limit), total: all.length, hasMore: offset + limit < all.length };
}
