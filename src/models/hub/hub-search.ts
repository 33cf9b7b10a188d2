/** What the hub has for OpenVINO, as two of its own queries together tell it. */
import { join } from "node:path";
import { listModels } from "@huggingface/hub";
import type { Observer } from "../../core/ports.ts";
import { type FoundModel, parseFoundModel } from "./found-model.ts";
import { createSearchCache } from "./search-cache.ts";

export interface HubQuery {
  readonly text: string;
  /** Which models a query of more than 500 is cut down to. */
  readonly sort: "downloads" | "likes" | "lastModified";
  readonly author?: string;
}

/** At most 1000 models in no order, each once; kept for ten minutes.
 *  @throws ProxyError hub_unreachable, hub_denied, hub_failed */
export type HubSearch = (query: HubQuery, signal: AbortSignal) => Promise<readonly FoundModel[]>;

export interface HubSearchOptions {
  /** URL of the hub, without a slash at its end. */
  readonly base: string;
  readonly cacheDirectory: string;
  readonly observer: Observer;
  /** A fetch for one search, which throws for bad statuses. */
  readonly fetch: (signal: AbortSignal) => typeof fetch;
  /** Runs a search and turns what the library throws into our own errors. */
  readonly asking: <T>(signal: AbortSignal, run: () => Promise<T>) => Promise<T>;
}

/** One page of the hub. */
const MOST = 500;

export function createHubSearch({
  base,
  cacheDirectory,
  observer,
  fetch: fetchFor,
  asking,
}: HubSearchOptions): HubSearch {
  const cache = createSearchCache({ directory: join(cacheDirectory, "search"), observer });

  const list = async (search: Parameters<typeof listModels>[0], signal: AbortSignal): Promise<FoundModel[]> => {
    const models = listModels({
      ...search,
      hubUrl: base,
      limit: MOST,
      additionalFields: ["tags", "filePaths"],
      fetch: fetchFor(signal),
    });
    return (await Array.fromAsync(models)).flatMap((model) => parseFoundModel(model) ?? []);
  };

  return ({ text, sort, author }, signal) => {
    const query = text.trim().toLowerCase();
    const key = JSON.stringify([base, query, sort, author?.toLowerCase() ?? ""]);
    return cache.get(key, () =>
      asking(signal, async () => {
        const named = { sort, search: { ...(query === "" ? {} : { query }) } };
        // Many official repositories have no tag, so that the organisation is asked for beside it.
        const queries =
          author === undefined
            ? [
                { ...named.search, tags: ["openvino"] },
                { ...named.search, owner: "OpenVINO" },
              ]
            : [{ ...named.search, owner: author }];
        const lists = await Promise.all(queries.map((search) => list({ sort, search }, signal)));
        return [...new Map(lists.flat().map((model) => [model.repository.toLowerCase(), model])).values()];
      }),
    );
  };
}
