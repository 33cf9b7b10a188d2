/** A test hub that has the demo as test/demo, and a library that pulls from it. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { ModelLibrary, PullEvent } from "../../src/core/library.ts";
import { temporaryFolder } from "./demo.ts";
import { demoRepository, startHub, type TestHub } from "./hub.ts";
import { openTestLibrary, type TestLibrary, type TestLibraryOptions } from "./library.ts";

export interface PullScene extends TestLibrary, Disposable {
  readonly hub: TestHub;
  /** All of the test's own: the store is its folder "models". */
  readonly folder: string;
  /** Another revision of test/demo, which differs in its generation_config.json; the commit. */
  publish(generation: string): string;
  /** What another process would open on the same store. */
  open(): TestLibrary;
  /** Runs a pull to its end; what it told. */
  pull(name: string, how?: PullHow): Promise<readonly PullEvent[]>;
  /** The same of one that may fail. */
  outcome(name: string): Promise<{ readonly events: readonly PullEvent[]; readonly error: unknown }>;
  /** A model's files, by the folder of its name. */
  files(folder: string): readonly string[];
  /** What is under way, or was left. */
  partial(): readonly string[];
  /** Bytes of one file that left the hub. */
  sent(path: string): number;
}

export interface PullHow {
  readonly signal?: AbortSignal;
  readonly token?: string;
  /** Default: the scene's own. */
  readonly from?: ModelLibrary;
}

export async function pullScene(options: TestLibraryOptions = {}): Promise<PullScene> {
  const folder = temporaryFolder();
  const hub = await startHub();
  const repository = demoRepository();
  const files = { ...repository.files, "README.md": textFile("# not needed") };
  hub.addRepository("test/demo", { ...repository, files });
  const open = (): TestLibrary => openTestLibrary(folder.path, { endpoint: hub.url, ...options });
  const own = open();
  const events = (name: string, { signal = new AbortController().signal, token, from = own.library }: PullHow = {}) =>
    from.pull({ name, ...(token !== undefined && { token }) }, signal);
  const partial = join(own.models, ".partial");
  return {
    ...own,
    hub,
    folder: folder.path,
    publish: (generation) =>
      hub.addRepository("test/demo", {
        ...repository,
        files: { ...files, "generation_config.json": textFile(generation) },
      }).commit,
    open,
    pull: (name, how) => Array.fromAsync(events(name, how)),
    async outcome(name) {
      const told: PullEvent[] = [];
      try {
        for await (const event of events(name)) told.push(event);
        return { events: told, error: undefined };
      } catch (error) {
        return { events: told, error };
      }
    },
    files: (name) => readdirSync(join(own.models, name)).sort(),
    partial: () => (existsSync(partial) ? readdirSync(partial) : []),
    sent: (path) =>
      hub.requests.filter((request) => request.path.includes(path)).reduce((sum, { bytes }) => sum + bytes, 0),
    [Symbol.dispose]() {
      hub.stop();
      folder[Symbol.dispose]();
    },
  };
}

/** A file of a repository. */
export function textFile(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
