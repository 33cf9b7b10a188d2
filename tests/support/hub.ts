/**
 * A small Hugging Face hub on loopback, as @huggingface/hub and our own byte path use it: search, model, tree, resolve with
 * the redirect of LFS files to a second origin ("the CDN"), ranges, ETags, gated and private repositories, and faults on
 * demand. `bun tests/support/hub.ts [organisation/name=folder …]` runs it as a process and prints its URL; test/demo is the
 * demo model.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DEMO } from "./demo.ts";
import { contentAnswer } from "./hub/content.ts";
import { createFaults, cutAnswer, earlyAnswer, type Fault, type FaultMatch, type Origin } from "./hub/fault.ts";
import { describeModel, describeTree, errorAnswer, jsonAnswer, pageAnswer, searchModels } from "./hub/metadata.ts";
import { createSnapshot, type HubFile, type RepositoryOptions, type Snapshot } from "./hub/repository.ts";
import { type Answer, type Asked, listenHttp } from "./hub/wire.ts";

/** A request that the hub or its CDN got. */
export interface HubRequest {
  readonly origin: Origin;
  readonly method: string;
  /** Not decoded, with its query. */
  readonly path: string;
  readonly range?: string;
  readonly authorization?: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of body sent so far, as the kernel took them: what it holds for a client that has gone counts, too. */
  readonly bytes: number;
}

export interface TestHub extends Disposable {
  readonly url: string;
  /** The origin that LFS files come from. */
  readonly cdnUrl: string;
  readonly requests: readonly HubRequest[];
  /** Of files alone, by both origins. */
  readonly bytesSent: number;
  /** Adds a repository, or a newer revision of one. */
  addRepository(id: string, options: RepositoryOptions): { readonly commit: string };
  /** Arms a fault; of several that fit, the oldest that has times left. */
  fault(match: FaultMatch, fault: Fault): void;
  stop(): void;
}

export interface HubOptions {
  /** Entries of one page of a list. Default 1000. */
  readonly pageSize?: number;
}

/** Starts a hub on two free ports of 127.0.0.1. */
export function startHub({ pageSize = 1000 }: HubOptions = {}): Promise<TestHub> {
  const repositories = new Map<string, { current: Snapshot; named: Map<string, Snapshot> }>();
  const faults = createFaults();
  const requests: (HubRequest & { bytes: number })[] = [];
  let bytesSent = 0;

  const serve = (origin: Origin, answer: (asked: Asked, url: URL) => Answer) =>
    listenHttp((asked) => {
      const { authorization, range } = asked.headers;
      const record: (typeof requests)[number] = {
        origin,
        method: asked.method,
        path: asked.target,
        ...(range === undefined ? {} : { range }),
        ...(authorization === undefined ? {} : { authorization }),
        headers: asked.headers,
        bytes: 0,
      };
      requests.push(record);
      const answered = answer(asked, new URL(asked.target, `http://127.0.0.1:${ports[origin]}`));
      const isFile = answered.headers?.["Accept-Ranges"] !== undefined;
      return {
        ...answered,
        sent: (bytes) => {
          record.bytes += bytes;
          if (isFile) bytesSent += bytes;
        },
      };
    });

  const find = (id: string, revision: string, asked: Asked): Snapshot | Answer => {
    const repository = repositories.get(id);
    const token = asked.headers["authorization"]?.replace(/^Bearer /, "");
    const missing = errorAnswer(
      token ? 404 : 401,
      "RepoNotFound",
      token ? "Repository not found" : "Invalid username or password.",
    );
    if (repository === undefined) return missing;
    const { private: hidden, tokens = ["hf_good"] } = repository.current.options;
    if (hidden && !tokens.includes(token ?? "")) return missing;
    const snapshot = revision === "HEAD" ? repository.current : repository.named.get(revision);
    return snapshot ?? errorAnswer(404, "RevisionNotFound", `Invalid rev id: ${revision}`);
  };

  const hub = serve("hub", (asked, url) => {
    const at = { origin: "hub" as const, path: asked.target };
    const parts = url.pathname.slice(1).split("/").map(decodeURIComponent);
    if (parts[0] === "api") {
      const fault = faults.take({ ...at, bytes: false });
      const answer = earlyAnswer(fault, asked.target) ?? api(asked, url, parts);
      return fault && "cutAt" in fault ? cutAnswer(answer, fault.cutAt) : answer;
    }
    const [organisation, name, kind, revision = "", ...rest] = parts;
    if (!["resolve", "raw"].includes(kind ?? "")) return errorAnswer(404, "NotFound", "Sorry, we can't find the page.");
    const snapshot = find(`${organisation}/${name}`, revision, asked);
    const path = rest.join("/");
    const file = "files" in snapshot ? snapshot.files.get(path) : undefined;
    const fault = faults.take({ ...at, bytes: file !== undefined && file.entry.lfs === undefined });
    const early = earlyAnswer(fault, asked.target);
    if (early !== undefined || !("files" in snapshot)) return early ?? (snapshot as Answer);
    const { options } = snapshot;
    const authorization = asked.headers["authorization"];
    const allowed = (options.tokens ?? ["hf_good"]).some((token) => authorization === `Bearer ${token}`);
    if (options.gated && !allowed)
      return errorAnswer(authorization ? 403 : 401, "GatedRepo", `Access to model ${snapshot.id} is restricted.`);
    if (file === undefined) return errorAnswer(404, "EntryNotFound", "Entry not found");
    return fileAnswer(asked, snapshot, path, file, fault);
  });

  const fileAnswer = (
    asked: Asked,
    { id, commit }: Snapshot,
    path: string,
    file: HubFile,
    fault: Fault | undefined,
  ): Answer => {
    const { lfs, oid } = file.entry;
    if (lfs === undefined) {
      const answer = contentAnswer(asked, file, oid, fault);
      return { ...answer, headers: { ...answer.headers, "X-Repo-Commit": commit } };
    }
    const linked = fault && "changedEtag" in fault ? "0".repeat(64) : lfs.oid;
    const Location = `http://127.0.0.1:${ports.cdn}/${id}/${commit}/${path.split("/").map(encodeURIComponent).join("/")}?signature=1`;
    const headers = {
      Location,
      "X-Repo-Commit": commit,
      "X-Linked-Size": String(lfs.size),
      "X-Linked-ETag": `"${linked}"`,
      "X-Xet-Hash": lfs.oid,
    };
    return { status: 302, headers };
  };

  const cdn = serve("cdn", (asked, url) => {
    const fault = faults.take({ origin: "cdn", path: asked.target, bytes: true });
    const early = earlyAnswer(fault, asked.target);
    if (early !== undefined) return early;
    const [organisation, name, commit = "", ...rest] = url.pathname.slice(1).split("/").map(decodeURIComponent);
    const file = repositories.get(`${organisation}/${name}`)?.named.get(commit)?.files.get(rest.join("/"));
    if (file === undefined) return { status: 404 };
    return contentAnswer(asked, file, file.entry.lfs?.oid ?? file.entry.oid, fault);
  });

  const api = (
    asked: Asked,
    url: URL,
    [, kind, organisation, name, verb, revision = "main", ...rest]: string[],
  ): Answer => {
    if (kind === "whoami-v2") return jsonAnswer({ type: "user", name: "someone" });
    if (kind !== "models") return errorAnswer(404, "NotFound", "Not found");
    if (organisation === undefined) {
      const models = searchModels(
        [...repositories.values()].map(({ current }) => current),
        url.searchParams,
      );
      return pageAnswer(models, url, Math.min(pageSize, Number(url.searchParams.get("limit") ?? 1000)));
    }
    const snapshot = find(`${organisation}/${name}`, revision, asked);
    if (!("files" in snapshot)) return snapshot;
    if (verb === undefined || verb === "revision") return jsonAnswer(describeModel(snapshot));
    const recursive = url.searchParams.get("recursive") === "true";
    if (verb === "tree") return pageAnswer(describeTree(snapshot, rest.join("/"), recursive), url, pageSize);
    if (verb !== "paths-info") return errorAnswer(404, "NotFound", "Not found");
    const { paths } = JSON.parse(Buffer.from(asked.body).toString()) as { paths: string[] };
    return jsonAnswer(paths.flatMap((path) => snapshot.files.get(path)?.entry ?? []));
  };

  const ports = { hub: hub.port, cdn: cdn.port };
  const stop = (): void => {
    hub.stop();
    cdn.stop();
  };
  return Promise.resolve({
    url: `http://127.0.0.1:${hub.port}`,
    cdnUrl: `http://127.0.0.1:${cdn.port}`,
    requests,
    get bytesSent() {
      return bytesSent;
    },
    addRepository: (id, options) => {
      const snapshot = createSnapshot(id, options);
      const named = repositories.get(id)?.named ?? new Map<string, Snapshot>();
      named.set(snapshot.commit, snapshot).set(options.revision ?? "main", snapshot);
      repositories.set(id, { current: named.get("main") ?? snapshot, named });
      return { commit: snapshot.commit };
    },
    fault: (match, fault) => faults.add(match, fault),
    stop,
    [Symbol.dispose]: stop,
  });
}

/** The files right in a folder, for addRepository. */
export function filesOf(folder: string): Record<string, string> {
  const names = readdirSync(folder).filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(names.map((name) => [name, join(folder, name)]));
}

/** What the demo model's repository looks like on the hub. */
export function demoRepository(): RepositoryOptions {
  const tags = ["openvino", "text-generation", "llama"];
  return {
    files: filesOf(DEMO),
    tags,
    pipeline: "text-generation",
    library: "transformers",
    license: "mit",
    downloads: 1000,
  };
}

async function main(): Promise<void> {
  const hub = await startHub();
  hub.addRepository("test/demo", demoRepository());
  for (const [id, folder] of process.argv.slice(2).map((argument) => argument.split("=")))
    if (id && folder) hub.addRepository(id, { ...demoRepository(), files: filesOf(folder) });
  console.log(hub.url);
}

if (import.meta.main) void main();
