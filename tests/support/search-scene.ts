/** A search over a test hub, whose repositories have names, tags and lists of files, and no content. */
import type { CatalogEntry, SearchPage, SearchQuery, SearchResult } from "../../src/core/library.ts";
import type { DeviceInfo } from "../../src/core/request.ts";
import { createHub } from "../../src/models/hub/hub.ts";
import { createSearch, type Search, type SearchOptions } from "../../src/models/hub/search.ts";
import { temporaryFolder } from "./demo.ts";
import type { RepositoryOptions } from "./hub/repository.ts";
import { startHub, type TestHub } from "./hub.ts";

const EVERYTHING: SearchQuery = { text: "", sort: "popular", limit: 100, offset: 0 };

/** The files of a model in OpenVINO's format. */
export const GRAPH = ["openvino_model.xml", "openvino_model.bin", "openvino_tokenizer.xml", "openvino_tokenizer.bin"];

export const TINY: CatalogEntry = {
  name: "tiny:latest",
  aliases: ["tiny:1b"],
  family: "llama",
  kind: "llm",
  parameterSize: "1.1B",
  quantization: "INT4",
  repository: "OpenVINO/Tiny-1B-int4-ov",
  devices: ["NPU", "CPU"],
  license: "mit",
};
export const BGE: CatalogEntry = {
  ...TINY,
  name: "bge-small:latest",
  aliases: [],
  family: "bert",
  kind: "embedding",
  quantization: "FP32",
  repository: "BAAI/bge-small-en-v1.5",
  devices: ["CPU"],
  convert: true,
};

export interface SearchScene extends Disposable {
  readonly server: TestHub;
  /** Of the cache. */
  readonly folder: string;
  /** Searches from now on as one that was made anew, on the same cache. */
  reopen(options?: SearchSceneOptions): void;
  /** Adds a repository with files of these names. */
  add(id: string, files: readonly string[], options?: Partial<RepositoryOptions>): void;
  search(query?: Partial<SearchQuery>, signal?: AbortSignal): Promise<SearchPage>;
  find(query?: Partial<SearchQuery>): Promise<readonly SearchResult[]>;
  names(query?: Partial<SearchQuery>): Promise<string[]>;
}

export type SearchSceneOptions = Partial<Omit<SearchOptions, "hub" | "devices">> & {
  /** By name; default: NPU, GPU.0, CPU. */
  readonly devices?: readonly DeviceInfo["name"][] | SearchOptions["devices"];
  /** Default: a folder of the test's own. */
  readonly cacheDirectory?: string;
};

export async function searchScene(options: SearchSceneOptions = {}): Promise<SearchScene> {
  const server = await startHub();
  const folder = temporaryFolder();
  const observer = { log: () => undefined };
  const open = ({
    devices = ["NPU", "GPU.0", "CPU"],
    cacheDirectory = folder.path,
    ...more
  }: SearchSceneOptions): Search =>
    createSearch({
      hub: createHub({ endpoint: server.url, cacheDirectory, observer }),
      catalog: { entries: () => [] },
      devices:
        typeof devices === "function"
          ? devices
          : async () => devices.map((name) => ({ name, fullName: name, emulated: false })),
      models: async () => [],
      observer,
      ...more,
    });
  let current = open(options);
  const search: SearchScene["search"] = (query, signal = new AbortController().signal) =>
    current({ ...EVERYTHING, ...query }, signal);
  const find = async (query?: Partial<SearchQuery>) => (await search(query)).results;
  return {
    server,
    folder: folder.path,
    reopen(more = {}) {
      current = open(more);
    },
    add(id, files, more = {}) {
      const content = Object.fromEntries(files.map((file) => [file, Buffer.from("x")]));
      server.addRepository(id, { files: content, pipeline: "text-generation", tags: ["openvino"], ...more });
    },
    search,
    find,
    names: async (query) => (await find(query)).map(({ name }) => name),
    [Symbol.dispose]() {
      server.stop();
      folder[Symbol.dispose]();
    },
  };
}
