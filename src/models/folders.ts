/**
 * Model folders on disk. Asked at every request, so synchronous: a handful of calls takes 0.1 ms, where each of them as a
 * promise waits for a thread.
 */
import { type Dirent, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** A model's name without its tag: `name` or `organisation/name`. */
const NAME = /^[\w][\w.-]{0,79}(\/[\w][\w.-]{0,79})?$/;

/** Whether a name can be one: nothing else ever becomes part of a path. */
export function isModelName(name: string): boolean {
  return NAME.test(name);
}

/** Folders one or two levels down that hold an OpenVINO model: [name, folder]. */
export function modelFolders(root: string): [string, string][] {
  return subfolders(root).flatMap((name): [string, string][] => {
    const folder = join(root, name);
    if (isModelFolder(folder)) return [[name, folder]];
    return subfolders(folder)
      .filter((inner) => isModelFolder(join(folder, inner)))
      .map((inner) => [`${name}/${inner}`, join(folder, inner)]);
  });
}

/** Whether a folder holds an OpenVINO model, whole or damaged. */
export function isModelFolder(folder: string): boolean {
  return statSync(join(folder, "openvino_model.xml"), { throwIfNoEntry: false })?.isFile() ?? false;
}

/** Names, sizes and times of a folder's files: changes when one of them does. */
export function fingerprintOf(directory: string): string {
  return readdirSync(directory)
    .sort()
    .map((name) => {
      const file = statSync(join(directory, name), { throwIfNoEntry: false });
      return `${name} ${file?.size} ${file?.mtimeMs}`;
    })
    .join("\n");
}

function subfolders(directory: string): string[] {
  let entries: Dirent[] = [];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    // no such folder: no models in it
  }
  return entries
    .filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && NAME.test(entry.name))
    .map(({ name }) => name)
    .sort();
}
