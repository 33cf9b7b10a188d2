/** Where a model is put together before it takes its place in the store. */
import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Model } from "../../core/model.ts";
import { inspectModel } from "../inspect/inspect.ts";
import { tryLock } from "../pull/lock.ts";
import { syncFolder } from "./durable-file.ts";
import { replaceFolder } from "./folders.ts";
import { type Manifest, writeManifest } from "./manifest.ts";

export interface Workbench extends AsyncDisposable {
  readonly folder: string;
}

/** A new, empty folder on the store's own file system. Locked, so that prune leaves it; disposing removes what is left. */
export async function openWorkbench(models: string): Promise<Workbench> {
  const folder = join(models, ".partial", `made-${randomBytes(8).toString("hex")}`);
  const lock = tryLock(`${folder}.lock`);
  await mkdir(folder);
  return {
    folder,
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true });
      lock?.[Symbol.dispose]();
    },
  };
}

/**
 * Puts a folder of flushed files into the store under the manifest's name, if it is a model that can be read.
 * What is no model is its maker's to remove.
 * @throws ProxyError model_invalid, invalid_request (see replaceFolder)
 */
export async function adopt(models: string, folder: string, manifest: Manifest): Promise<Model> {
  const model = await inspectModel(manifest.name, folder, "Nothing of it was kept.");
  await writeManifest(folder, manifest);
  await syncFolder(folder);
  return { ...model, directory: await replaceFolder(models, manifest.name, folder) };
}
