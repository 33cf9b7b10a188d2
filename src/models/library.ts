/** The model library: store, hub, catalogue and converter, put together behind core's two ports. */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import type { CompiledModels } from "../core/compiled.ts";
import { ProxyError } from "../core/errors.ts";
import type { GgufConverter, ModelLibrary } from "../core/library.ts";
import type { ModelStore, Source } from "../core/model.ts";
import type { Observer } from "../core/ports.ts";
import type { DeviceInfo } from "../core/request.ts";
import { createCatalog } from "./catalog.ts";
import { createHub } from "./hub/hub.ts";
import { createSearch } from "./hub/search.ts";
import { describeModel } from "./inspect/describe.ts";
import type { Converter } from "./pull/convert.ts";
import { type FreeSpace, freeSpace } from "./pull/free-space.ts";
import { hasKeptIr, type IrKitchen } from "./pull/gguf-ir.ts";
import { createPuller } from "./pull/pull.ts";
import { PATIENCE, type Patience } from "./pull/transfer.ts";
import { blobsOf } from "./store/blobs.ts";
import { createModel, newName } from "./store/create.ts";
import { deriveFolder } from "./store/derive.ts";
import { discard, isModelFolder, previousOf, refuseClash, removeFolder, replaceFolder } from "./store/folders.ts";
import { importModel } from "./store/import.ts";
import { digestOfFiles, type Manifest, readManifest } from "./store/manifest.ts";
import { notFound } from "./store/not-found.ts";
import { prune } from "./store/prune.ts";
import { createShelves, type Shelved, type ShelvesOptions } from "./store/shelves.ts";
import { asStorageError } from "./store/storage-error.ts";
import { createModelStore } from "./store/store.ts";
import { verifyModel } from "./store/verify.ts";
import { adopt, openWorkbench } from "./store/workbench.ts";

export interface ModelLibraryOptions {
  /** `models` is the user's store, `system` one below it that is never written to. */
  readonly directories: Pick<ShelvesOptions, "models" | "system">;
  /** Where models.json and catalog.json may lie. */
  readonly configDirectory: string;
  readonly cacheDirectory: string;
  /** HF_ENDPOINT; "": Hugging Face. */
  readonly endpoint: string;
  /** HF_TOKEN; "" is none. */
  readonly token: string;
  readonly observer: Observer;
  readonly devices: (signal: AbortSignal) => Promise<readonly DeviceInfo[]>;
  /** Absent: what is not in OpenVINO's format is refused. */
  readonly converter?: Converter;
  /** Absent: no IR is kept of a GGUF model. */
  readonly ggufConverter?: GgufConverter;
  readonly builtin: ShelvesOptions["builtin"];
  /** What devices' compilers made of the models; pruning looks at it. */
  readonly compiled: CompiledModels;
  readonly patience?: Patience;
  readonly freeSpace?: FreeSpace;
}

/** Nothing is asked for and nothing is read before a method is called. @throws ProxyError invalid_setting (HF_ENDPOINT) */
export function createModelLibrary(options: ModelLibraryOptions): {
  readonly store: ModelStore;
  readonly library: ModelLibrary;
} {
  const { configDirectory, cacheDirectory, observer, converter, endpoint, token, patience = PATIENCE } = options;
  const { models } = options.directories;
  const shelves = createShelves({ ...options.directories, builtin: options.builtin });
  const catalog = createCatalog({ userFile: join(configDirectory, "catalog.json") });
  const hub = createHub({ endpoint, token, cacheDirectory, observer, stallMs: patience.stallMs });
  const store = createModelStore({ shelves, configDirectory, observer, nearest: catalog.nearest });
  const blobs = blobsOf(models);
  // A pull that is shared outlives each caller, and the probe has a deadline of its own.
  const devices = (): Promise<readonly DeviceInfo[]> => options.devices(new AbortController().signal);
  const search = createSearch({ hub, catalog, devices: options.devices, models: () => store.list(), observer });
  const kitchen: IrKitchen = {
    ...(options.ggufConverter && { ggufConverter: options.ggufConverter }),
    freeSpace: options.freeSpace ?? freeSpace,
  };
  const puller = createPuller({
    hub,
    catalog,
    shelves,
    devices,
    patience,
    ...(converter && { converter }),
    ...kitchen,
    finish: (staged, manifest) => adopt(models, staged, manifest),
  });

  const find = async (name: string): Promise<Shelved> => {
    const shelved = await shelves.find(name);
    if (shelved) return shelved;
    throw await notFound(name, shelves, catalog.nearest);
  };

  const pullAgain = async ({ name, files }: Manifest, source: Source, signal: AbortSignal): Promise<void> => {
    for await (const _ of puller.pull({ name, keepIr: hasKeptIr(files) }, signal, { repair: source }));
    // What was replaced is the broken one: nobody wants to go back to it.
    await discard(models, previousOf(models, name));
  };

  const library: ModelLibrary = {
    search,
    known: () => catalog.entries(),
    describe: (name, signal) => describeModel(name, { hub, catalog, devices }, signal),
    pull: (request, signal) => puller.pull(request, signal),
    create: (request, signal) => storing(createModel(request, { shelves, catalog, blobs }, signal)),

    async copy(source, destination, signal) {
      const from = await find(source);
      const name = newName(destination);
      if (name.toLowerCase() === from.name.toLowerCase()) return;
      refuseClash(models, name);
      await stored(async () => {
        await using bench = await openWorkbench(models);
        const known = readManifest(from.folder);
        const files = await deriveFolder(from.folder, bench.folder, "link", signal);
        signal.throwIfAborted();
        const digest = digestOfFiles(files, known?.recipe);
        await adopt(models, bench.folder, { version: 1, ...known, name, files, digest });
      });
    },

    async remove(name, signal) {
      const { name: found, shelf } = await find(name);
      if (shelf !== "user")
        throw new ProxyError(
          "model_read_only",
          `The model '${found}' ${shelf === "builtin" ? "came with npu-proxy" : "lies in a store that all users share"} and cannot be removed.`,
          { param: "model" },
        );
      // From here on it is done: half a removal helps nobody.
      signal.throwIfAborted();
      await stored(() => removeFolder(models, found));
    },

    hasBlob: (digest) => blobs.has(digest),
    writeBlob: (digest, content, signal) => stored(() => blobs.write(digest, content, signal)),
    import: (path, how, signal) => stored(() => importModel(path, how, { models, ...kitchen }, signal)),

    async *verify(name, repair, signal) {
      const hashed = new Map<string, string>();
      const wanted = name === undefined ? await shelves.all() : [await find(name)];
      for (const shelved of wanted)
        yield await stored(() =>
          verifyModel(shelved, hashed, repair ? { models, hub, patience, pullAgain } : undefined, signal),
        );
    },

    prune: (dryRun, signal) => stored(() => prune({ models, compiled: options.compiled }, dryRun, signal)),

    async rollback(name) {
      const { name: found, shelf } = await find(name);
      const previous = previousOf(models, found);
      if (shelf !== "user" || !isModelFolder(previous))
        throw new ProxyError(
          "invalid_request",
          `There is no previous revision of '${found}'. One is kept from a pull until the new one has answered once.`,
          { param: "model" },
        );
      const commit = readManifest(previous)?.source?.commit ?? "";
      await stored(async () => {
        await using bench = await openWorkbench(models);
        const aside = join(bench.folder, "previous");
        await rename(previous, aside);
        await replaceFolder(models, found, aside);
      });
      return { model: found, commit };
    },
  };
  return { store, library };
}

/** What the file system refuses while a model is made or removed, in words. */
async function stored<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asStorageError(error);
  }
}

async function* storing<T>(work: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* work;
  } catch (error) {
    throw asStorageError(error);
  }
}
