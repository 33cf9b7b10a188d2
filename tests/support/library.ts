/** A model library over a folder of the test's own, with the demo as what came with the program. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ModelLibrary } from "../../src/core/library.ts";
import type { ModelStore } from "../../src/core/model.ts";
import { createModelLibrary, type ModelLibraryOptions } from "../../src/models/library.ts";
import { CompiledFolder } from "../../src/runner/compiled-folder.ts";
import { DEMO } from "./demo.ts";

export interface TestLibrary {
  readonly store: ModelStore;
  readonly library: ModelLibrary;
  /** The user's store, the only folder below `root` that may be written to, and the cache. */
  readonly models: string;
  readonly cache: string;
}

export type TestLibraryOptions = Partial<ModelLibraryOptions> & { readonly system?: string };

/** Without an endpoint every word with the hub fails at once. */
export function openTestLibrary(root: string, options: TestLibraryOptions = {}): TestLibrary {
  const models = join(root, "models");
  const cache = join(root, "cache");
  mkdirSync(models, { recursive: true });
  const parts = createModelLibrary({
    directories: { models, system: options.system },
    configDirectory: root,
    cacheDirectory: cache,
    endpoint: "http://127.0.0.1:1",
    token: "",
    observer: { log: () => undefined },
    devices: async () => [{ name: "CPU", fullName: "A processor", emulated: false }],
    builtin: async () => ({ demo: DEMO }),
    compiled: new CompiledFolder(join(cache, "compiled")),
    patience: { stallMs: 5000, backoffMs: 1 },
    ...options,
  });
  return { ...parts, models, cache };
}
