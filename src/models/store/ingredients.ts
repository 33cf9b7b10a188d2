/** What a new model's files come from: a model of the store, a folder or a GGUF file of this machine, uploaded blobs. */
import { stat } from "node:fs/promises";
import { basename, isAbsolute, join } from "node:path";
import { ProxyError } from "../../core/errors.ts";
import type { CreateRequest } from "../../core/library.ts";
import type { Catalog } from "../catalog.ts";
import { isSafePath } from "../hub/hub-file.ts";
import { parseReference } from "../reference.ts";
import type { Blobs } from "./blobs.ts";
import { deriveFolder, place, recordOf } from "./derive.ts";
import { syncFolder } from "./durable-file.ts";
import { isModelFolder } from "./folders.ts";
import { MANIFEST, type Manifest, type ManifestFile, readManifest } from "./manifest.ts";
import { notFound } from "./not-found.ts";
import type { Shelves } from "./shelves.ts";

/** Where ingredients are looked for. */
export interface Pantry {
  readonly shelves: Shelves;
  readonly catalog: Catalog;
  readonly blobs: Blobs;
}

const MOST_FILES = 1000;

export type Ingredients = Pick<Manifest, "source" | "license" | "recipe" | "converted"> & {
  /** What the new model names as its parent; "" where it is made of files. */
  readonly parent: string;
  /** What the status line says is used. */
  readonly from: string;
  /** Fills the new folder. */
  fill(into: string): Promise<readonly ManifestFile[]>;
};

/** @throws ProxyError model_not_found, invalid_request */
export async function ingredientsOf(request: CreateRequest, pantry: Pantry, signal: AbortSignal): Promise<Ingredients> {
  const { from, files, allowFolder } = request;
  if (from !== undefined && from !== "") {
    if (isAbsolute(from)) return await ofPath(from, allowFolder, signal);
    return await ofModel(from, pantry, signal);
  }
  if (files && Object.keys(files).length > 0) return await ofBlobs(files, pantry.blobs, signal);
  throw new ProxyError(
    "invalid_request",
    "neither 'from' or 'files' was specified. Name a model that this one is made of.",
    {
      param: "from",
    },
  );
}

async function ofModel(from: string, { shelves, catalog }: Pantry, signal: AbortSignal): Promise<Ingredients> {
  const found = await shelves.find(from);
  if (!found) throw await notPulled(from, shelves, catalog);
  const manifest = readManifest(found.folder);
  return {
    parent: found.name,
    from: found.name,
    ...(manifest?.source && { source: manifest.source }),
    ...(manifest?.license !== undefined && { license: manifest.license }),
    ...(manifest?.converted !== undefined && { converted: manifest.converted }),
    ...(manifest?.recipe && { recipe: manifest.recipe }),
    fill: (into) => deriveFolder(found.folder, into, "link", signal),
  };
}

async function notPulled(from: string, shelves: Shelves, catalog: Catalog): Promise<ProxyError> {
  const reference = parseReference(from);
  if (reference.kind === "model" && !catalog.find(reference)) return await notFound(from, shelves, catalog.nearest);
  return new ProxyError(
    "model_not_found",
    `model '${from}' not found on this machine. Run \`npu-proxy pull ${from}\` first.`,
    { param: "from" },
  );
}

async function ofPath(path: string, allowed: boolean, signal: AbortSignal): Promise<Ingredients> {
  if (!allowed)
    throw new ProxyError(
      "invalid_request",
      "'from' is a path, and the server takes none from its clients. Name a model, or upload the files as blobs.",
      { param: "from" },
    );
  return { parent: "", from: basename(path), fill: (into) => copyIn(path, into, signal) };
}

/**
 * Copies a folder, or one GGUF file, of the user's into a new folder.
 * @throws ProxyError invalid_request where there is no such thing
 */
export async function copyIn(path: string, into: string, signal: AbortSignal): Promise<readonly ManifestFile[]> {
  const found = await stat(path).catch(() => undefined);
  // Looked at before it is copied: it may be somebody's home.
  if (found?.isDirectory() && isModelFolder(path)) return await deriveFolder(path, into, "copy", signal);
  if (!found?.isFile() || !/\.gguf$/i.test(path))
    throw new ProxyError(
      "invalid_request",
      `There is no model at ${basename(path)}. Expected a folder in OpenVINO's layout or a .gguf file.`,
      { param: "from", detail: path },
    );
  await place(path, join(into, basename(path)), "copy", signal);
  await syncFolder(into);
  return [await recordOf(into, basename(path), signal)];
}

async function ofBlobs(
  files: Readonly<Record<string, string>>,
  blobs: Blobs,
  signal: AbortSignal,
): Promise<Ingredients> {
  const entries = Object.entries(files);
  if (entries.length > MOST_FILES)
    throw new ProxyError("invalid_request", `A model has ${MOST_FILES} files at most.`, { param: "files" });
  for (const [name, digest] of entries) {
    if (!isSafePath(name) || name.startsWith(".") || name.toLowerCase() === MANIFEST || clashes(name, entries))
      throw new ProxyError(
        "invalid_request",
        "'files' has a name that no file of a model can have. Use plain file names.",
        {
          param: "files",
        },
      );
    if (!(await blobs.has(digest)))
      throw new ProxyError("invalid_request", `The blob ${digest} was not found. Upload it to /api/blobs first.`, {
        param: "files",
      });
  }
  return {
    parent: "",
    from: entries.length === 1 ? (entries[0]?.[0] ?? "") : `${entries.length} uploaded files`,
    async fill(into) {
      const placed: ManifestFile[] = [];
      for (const [path, digest] of entries) {
        signal.throwIfAborted();
        await place(blobs.pathOf(digest), join(into, path), "link", signal);
        placed.push({ path, size: (await stat(join(into, path))).size, sha256: digest.slice("sha256:".length) });
      }
      await syncFolder(into);
      return placed;
    },
  };
}

/** Whether another file has the same name but for its case, or is a folder's name in this one. */
function clashes(name: string, entries: readonly (readonly [string, string])[]): boolean {
  const lower = name.toLowerCase();
  return entries.some(
    ([other]) => other !== name && (other.toLowerCase() === lower || lower.startsWith(`${other.toLowerCase()}/`)),
  );
}
