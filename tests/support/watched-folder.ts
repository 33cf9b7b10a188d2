/** A folder whose own entries are watched: whatever appears in it, or goes, even for a moment. */
import { watch, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface WatchedFolder extends Disposable {
  /** Names of everything that was made, changed or removed right in the folder since the start. */
  touched(): Promise<readonly string[]>;
}

export function watchFolder(path: string): WatchedFolder {
  const seen = new Set<string>();
  const mark = `mark-${crypto.randomUUID()}`;
  const marked = Promise.withResolvers<void>();
  const watcher = watch(path, (_, name) => {
    if (name === mark) marked.resolve();
    else if (name) seen.add(name);
  });
  return {
    async touched() {
      // The kernel tells in order: once the mark has come, everything before it has.
      writeFileSync(join(path, mark), "");
      await marked.promise;
      return [...seen].sort();
    },
    [Symbol.dispose]: () => watcher.close(),
  };
}
