/**
 * Pulls: from a name to a verified model in the store. A pull that ends early, by whatever means, leaves what it fetched in
 * .partial for the next one, and never anything in a model's place.
 */
import { existsSync } from "node:fs";
import { ProxyError } from "../../core/errors.ts";
import type { PullEvent, PullRequest } from "../../core/library.ts";
import type { Model, ModelKind, Source } from "../../core/model.ts";
import type { DeviceInfo } from "../../core/request.ts";
import type { Catalog } from "../catalog.ts";
import type { Hub, Resolved } from "../hub/hub.ts";
import { inspectRemote } from "../inspect/inspect-remote.ts";
import { formatReference, parseReference } from "../reference.ts";
import { refuseClash } from "../store/folders.ts";
import { digestOfFiles, type Manifest } from "../store/manifest.ts";
import type { Shelves } from "../store/shelves.ts";
import { asStorageError } from "../store/storage-error.ts";
import { Backoff } from "./backoff.ts";
import { Broadcast } from "./broadcast.ts";
import type { Converter } from "./convert.ts";
import { download } from "./download.ts";
import { IR_COMMAND, type IrKitchen, keepIr, lacksIr } from "./gguf-ir.ts";
import { acquireLock, tryLock } from "./lock.ts";
import { convert, planConversion } from "./pull-conversion.ts";
import { beginPull, endPull, type PullFolder, pullFolder } from "./pull-folder.ts";
import { findTarget, type Target } from "./pull-target.ts";
import { type Selection, selectFiles } from "./selection.ts";
import { completeManifest, manifestOf, storedFiles } from "./stored-files.ts";
import type { Patience } from "./transfer.ts";

export interface PullerOptions extends IrKitchen {
  readonly hub: Hub;
  readonly catalog: Catalog;
  readonly shelves: Shelves;
  /** This machine's; what fails here must not keep anybody from pulling. */
  readonly devices: () => Promise<readonly DeviceInfo[]>;
  /** Absent: what has to be converted is refused. */
  readonly converter?: Converter;
  /** Puts a folder of verified and flushed files into the store. @throws ProxyError model_invalid, invalid_request */
  readonly finish: (staged: string, manifest: Manifest) => Promise<Model>;
  readonly patience: Patience;
}

export interface PullOptions {
  /** Fetch again what is broken of a model that came from here, whatever the hub or the catalogue would choose by now. */
  readonly repair?: Source;
}

export interface Puller {
  /** As ModelLibrary.pull. */
  pull(request: PullRequest, signal: AbortSignal, options?: PullOptions): AsyncIterable<PullEvent>;
}

export function createPuller(options: PullerOptions): Puller {
  const running = new Map<string, Broadcast<PullEvent>>();

  const start = (key: string, request: PullRequest, { repair }: PullOptions): Broadcast<PullEvent> => {
    const stop = new AbortController();
    const leave = (): void => {
      if (running.get(key) === news) running.delete(key);
    };
    // Who comes after the last one has left starts anew, and waits at the lock until this one has ended.
    const news = new Broadcast<PullEvent>(kindOf, () => {
      leave();
      stop.abort();
    });
    running.set(key, news);
    const pull = new Pull(options, request, repair, (event) => news.push(event), stop.signal);
    pull
      .run()
      .then(
        () => news.close(),
        (error: unknown) => news.close(asStorageError(error)),
      )
      .finally(leave);
    return news;
  };

  return {
    pull: (request, signal, how = {}) => ({
      [Symbol.asyncIterator]() {
        // Who brings a token of their own does not ride on, or fail with, somebody else's.
        const what = [
          formatReference(parseReference(request.name)).toLowerCase(),
          request.token,
          request.keepIr,
          how.repair?.commit,
        ];
        const key = JSON.stringify(what);
        return (running.get(key) ?? start(key, request, how)).subscribe(signal);
      },
    }),
  };
}

/** Of news of one kind the latest is enough for who reads slowly. */
function kindOf(event: PullEvent): string {
  return "file" in event ? `${event.type} ${event.file}` : event.type;
}

class Pull {
  readonly #options: PullerOptions;
  readonly #request: PullRequest;
  readonly #repair: Source | undefined;
  readonly #emit: (event: PullEvent) => void;
  readonly #signal: AbortSignal;

  constructor(
    options: PullerOptions,
    request: PullRequest,
    repair: Source | undefined,
    emit: (event: PullEvent) => void,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#request = request;
    this.#repair = repair;
    this.#emit = emit;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const { hub, catalog, shelves } = this.#options;
    const { token } = this.#request;
    this.#emit({ type: "resolving" });
    const target = await this.#target(await findTarget(this.#request.name, catalog, () => this.#devices()));
    const { name, repository, revision, reason } = target;
    refuseClash(shelves.models, name);
    if (reason !== undefined) this.#emit({ type: "chosen", name: target.entry?.name ?? name, repository, reason });
    const resolved = await this.#ask(() =>
      hub.resolve(repository, this.#repair?.commit ?? revision, this.#signal, token),
    );
    const source: Source = { hub: hub.host, repository, revision, commit: resolved.commit };
    const all = await this.#ask(() => hub.files(repository, resolved.commit, this.#signal, token));
    const selection = selectFiles(repository, all, target.tag);
    const variant = selection.format === "gguf" ? (selection.files[0]?.path ?? "") : "";
    const folder = pullFolder(shelves.models, hub.host, repository, resolved.commit, variant);
    if (await this.#isThere(name, source)) return await clear(folder);
    using _lock = await acquireLock(folder.lock, this.#signal, () =>
      this.#emit({
        type: "retry",
        file: "",
        reason: "Waiting for another npu-proxy that is pulling this model.",
        seconds: 0,
      }),
    );
    if (await this.#isThere(name, source)) return;
    await this.#fetch(folder, target, source, resolved, selection);
  }

  /** What was found, as the store has it: a repair has no choice, and hubs may tell apart what differs in case alone. */
  async #target(found: Target): Promise<Target> {
    if (this.#repair) {
      const { reason: _, ...target } = found;
      return { ...target, repository: this.#repair.repository, revision: this.#repair.revision };
    }
    const shelved = await this.#options.shelves.find(found.name);
    const known = shelved && manifestOf(shelved.folder)?.source?.repository;
    return known?.toLowerCase() === found.repository.toLowerCase() ? { ...found, repository: known } : found;
  }

  /** Whether the store has it already; then everybody is told so. */
  async #isThere(name: string, source: Source): Promise<boolean> {
    if (this.#repair) return false;
    const shelved = await this.#options.shelves.find(name);
    const manifest = shelved && completeManifest(shelved.folder, source);
    if (!manifest || (this.#request.keepIr && lacksIr(manifest.files))) return false;
    for (const { path, size, sha256 } of manifest.files)
      this.#emit({ type: "file", file: path, digest: sha256, total: size, completed: size });
    this.#emit({ type: "done", model: shelved.name, notes: [], unchanged: true });
    return true;
  }

  async #fetch(
    folder: PullFolder,
    target: Target,
    source: Source,
    resolved: Resolved,
    { format, files }: Selection,
  ): Promise<void> {
    const { hub, shelves, converter, patience, freeSpace } = this.#options;
    const { repository, commit } = source;
    const token = this.#request.token;
    const what = { hub, repository, commit, files, token };
    const kind = target.entry?.kind ?? kindOfTags(resolved.tags);
    const plan =
      format === "source"
        ? await this.#ask(() => planConversion(converter, { ...what, kind }, this.#signal))
        : undefined;
    // A GGUF file that GenAI cannot load says so in its first megabytes.
    if (format === "gguf") await this.#ask(() => inspectRemote(hub, repository, commit, files, this.#signal, token));
    await beginPull(
      folder,
      repository,
      commit,
      files.map(({ path }) => path),
    );
    const fetched = await download(
      {
        ...what,
        folder,
        patience,
        freeSpace,
        similar: await storedFiles(shelves, repository),
        emit: this.#emit,
      },
      this.#signal,
    );
    const onLine = (line: string): void => this.#emit({ type: "converting", line });
    const keepsIr = this.#request.keepIr === true && lacksIr(fetched);
    const made =
      converter && plan
        ? await convert(converter, folder, plan, onLine, this.#signal)
        : keepsIr
          ? await keepIr(folder.files, fetched, this.#options, onLine, this.#signal)
          : fetched;
    const converted = plan?.command ?? (keepsIr ? IR_COMMAND : undefined);
    this.#signal.throwIfAborted();
    this.#emit({ type: "writing" });
    this.#emit({ type: "inspecting" });
    const model = await this.#finish(folder, plan ? folder.converted : folder.files, {
      version: 1,
      name: target.name,
      source,
      files: made,
      digest: digestOfFiles(made),
      pulledAt: new Date().toISOString(),
      ...(resolved.license === undefined ? {} : { license: resolved.license }),
      ...(converted === undefined ? {} : { converted }),
    });
    await endPull(folder);
    const notes = notesAbout(model, await this.#devices());
    this.#emit({ type: "done", model: model.name, notes, unchanged: false });
  }

  /** What arrived as the hub has it and is no model would be none the next time either: it does not stay. */
  async #finish(folder: PullFolder, staged: string, manifest: Manifest): Promise<Model> {
    try {
      return await this.#options.finish(staged, manifest);
    } catch (error) {
      if (error instanceof ProxyError && error.code === "model_invalid") await endPull(folder);
      throw error;
    }
  }

  /** Asks the hub for metadata, as often as it takes. */
  #ask<T>(ask: () => Promise<T>): Promise<T> {
    const backoff = new Backoff(this.#options.patience.backoffMs, this.#signal);
    return backoff.insist(ask, (reason, seconds) => this.#emit({ type: "retry", file: "", reason, seconds }));
  }

  #devices(): Promise<readonly DeviceInfo[]> {
    return this.#options.devices().catch(() => []);
  }
}

/** What a pull left that ended between putting its model in place and cleaning up. */
async function clear(folder: PullFolder): Promise<void> {
  if (!existsSync(folder.path) && !existsSync(folder.lock)) return;
  using lock = tryLock(folder.lock);
  if (lock) await endPull(folder);
}

/** What is worth knowing before the model is used: on which of this machine's devices it will not run, and why. */
function notesAbout({ fitness, format }: Model, devices: readonly DeviceInfo[]): readonly string[] {
  const here = new Set(devices.map(({ name }) => name.split(".")[0]));
  const misfits = fitness.filter(({ device, fits }) => !fits && here.has(device));
  return [
    ...misfits.map(({ device, reason }) => `${device}: no: ${reason}`),
    ...(format === "gguf"
      ? ["GGUF: slower than the same model in OpenVINO's format; prefer that where there is one."]
      : []),
  ];
}

/** What a repository that the catalogue does not know is for, as far as its tags tell. */
function kindOfTags(tags: readonly string[]): ModelKind {
  const has = (...names: readonly string[]): boolean => names.some((name) => tags.includes(name));
  if (has("text-ranking", "text-classification", "cross-encoder")) return "rerank";
  if (has("sentence-transformers", "feature-extraction", "sentence-similarity")) return "embedding";
  if (has("image-text-to-text")) return "vlm";
  return has("automatic-speech-recognition") ? "speech" : "llm";
}
