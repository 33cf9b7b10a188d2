/** The hub's JSON: search, model, tree, paths. */
import type { Snapshot, TreeEntry } from "./repository.ts";
import type { Answer } from "./wire.ts";

export function jsonAnswer(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Answer {
  const body = Buffer.from(JSON.stringify(value));
  return { status, headers: { "Content-Type": "application/json; charset=utf-8", ...headers }, body };
}

/** An error as the hub tells it: `X-Error-Code` for programs, a sentence for people. */
export function errorAnswer(status: number, code: string, message: string): Answer {
  return jsonAnswer({ error: message }, status, { "X-Error-Code": code, "X-Error-Message": message });
}

/** One page of a list; the next one by the absolute URL of a Link header, as the hub does it. */
export function pageAnswer(items: readonly unknown[], url: URL, size: number): Answer {
  const from = Number(url.searchParams.get("cursor") ?? 0);
  const next = new URL(url);
  next.searchParams.set("cursor", String(from + size));
  const link = from + size < items.length ? { Link: `<${next.href}>; rel="next"` } : {};
  return jsonAnswer(items.slice(from, from + size), 200, link);
}

/** Models that a search finds, as it wants them sorted. */
export function searchModels(snapshots: readonly Snapshot[], query: URLSearchParams): unknown[] {
  const words = (query.get("search") ?? "").toLowerCase().split(/\s+/);
  const sort = query.get("sort") ?? "trendingScore";
  return snapshots
    .filter(({ options }) => !options.private)
    .filter(({ id }) => words.every((word) => id.toLowerCase().includes(word)))
    .filter(({ id }) => [null, id.split("/")[0]].includes(query.get("author")))
    .filter(({ options }) => [null, options.pipeline].includes(query.get("pipeline_tag")))
    .filter(({ options }) => query.getAll("filter").every((tag) => options.tags?.includes(tag)))
    .map((snapshot) => describeModel(snapshot))
    .sort((a, b) => rank(b, sort) - rank(a, sort));
}

export function describeModel({ id, commit, options, files }: Snapshot) {
  const updated = options.updated ?? "2026-01-01T00:00:00.000Z";
  return {
    _id: new Bun.CryptoHasher("md5").update(id).digest("hex").slice(0, 24),
    id,
    modelId: id,
    author: id.split("/")[0],
    sha: commit,
    private: options.private ?? false,
    gated: options.gated ? "manual" : false,
    disabled: false,
    downloads: options.downloads ?? 0,
    likes: options.likes ?? 0,
    lastModified: updated,
    createdAt: updated,
    tags: [...(options.tags ?? []), ...(options.license ? [`license:${options.license}`] : [])],
    ...(options.pipeline ? { pipeline_tag: options.pipeline } : {}),
    ...(options.library ? { library_name: options.library } : {}),
    ...(options.license ? { cardData: { license: options.license } } : {}),
    siblings: [...files.keys()].map((rfilename) => ({ rfilename })),
  };
}

/** The files (with `recursive` those of folders, too) below a folder of a repository. */
export function describeTree({ options, files }: Snapshot, folder: string, recursive: boolean): readonly unknown[] {
  const prefix = folder === "" ? "" : `${folder}/`;
  const inside = [...files.values()].map(({ entry }) => entry).filter(({ path }) => path.startsWith(prefix));
  const folders = new Set(inside.flatMap(({ path }) => path.slice(prefix.length).split("/").slice(0, -1)[0] ?? []));
  const entries: TreeEntry[] = [
    ...[...folders].map((name) => ({ type: "directory" as const, path: prefix + name, size: 0, oid: "0".repeat(40) })),
    ...inside.filter(({ path }) => recursive || !path.slice(prefix.length).includes("/")),
  ];
  return options.tree?.(entries) ?? entries;
}

function rank(model: ReturnType<typeof describeModel>, sort: string): number {
  if (sort === "lastModified" || sort === "createdAt") return Date.parse(model.lastModified);
  return sort === "likes" ? model.likes : model.downloads;
}
