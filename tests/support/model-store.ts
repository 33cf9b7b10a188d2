/** A store over folders of the test's own, with the demo as what came with the program. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { ModelStore } from "../../src/core/model.ts";
import type { Observer } from "../../src/core/ports.ts";
import { createCatalog } from "../../src/models/catalog.ts";
import { hashOf } from "../../src/models/store/file-hash.ts";
import { filesOf } from "../../src/models/store/folders.ts";
import { digestOfFiles, MANIFEST, type Manifest, writeManifest } from "../../src/models/store/manifest.ts";
import { createShelves } from "../../src/models/store/shelves.ts";
import { createModelStore } from "../../src/models/store/store.ts";
import { DEMO } from "./demo.ts";

export interface TestStoreOptions {
  readonly system?: string;
  readonly observer?: Observer;
}

/** `models` is the configuration's folder, too. */
export function openTestStore(models: string, { system, observer }: TestStoreOptions = {}): ModelStore {
  return createModelStore({
    shelves: createShelves({ models, system, builtin: async () => ({ demo: DEMO }) }),
    configDirectory: models,
    observer: observer ?? { log: () => undefined },
    nearest: createCatalog().nearest,
  });
}

/** Writes a manifest of a folder's files as they are. */
export async function recordManifest(folder: string, more: Partial<Manifest> = {}): Promise<Manifest> {
  const { signal } = new AbortController();
  const paths = filesOf(folder).filter((path) => path !== MANIFEST);
  const files = await Promise.all(
    paths.map(async (path) => {
      const file = join(folder, path);
      return { path, size: statSync(file).size, sha256: await hashOf(file, signal) };
    }),
  );
  const digest = digestOfFiles(files, more.recipe);
  const manifest = { version: 1, name: "mine:latest", files, digest, ...more } as const;
  await writeManifest(folder, manifest);
  return manifest;
}
