/** Models that may be pulled, in the field names of the original's API. */
import type { CatalogEntry, SearchPage, SearchQuery } from "../../core/library.ts";

/** The body of /api/search. */
export function searchPage(page: SearchPage, { offset, limit }: Pick<SearchQuery, "offset" | "limit">) {
  const { results, total, hasMore, from, note } = page;
  return { models: results, total, offset, limit, has_more: hasMore, from, ...(note !== undefined && { note }) };
}

/** An entry of /api/models/known; `ollama_name` and `huggingface_repo` are what the original calls them. */
export function knownModel(entry: CatalogEntry) {
  const { parameterSize, contextLength, ...rest } = entry;
  return {
    ollama_name: entry.name,
    huggingface_repo: entry.repository,
    ...rest,
    parameter_size: parameterSize,
    ...(contextLength !== undefined && { context_length: contextLength }),
  };
}
