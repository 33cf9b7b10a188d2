/**
 * Model folders on disk. Looked at with every request, so that part is synchronous: a handful of calls takes 0.1 ms, where
 * each of them as a promise waits for a thread.
 *
 * <models>/<folder of the name>   the model; replaced by two renames
 * <models>/.previous/<the same>   what it replaced, until the new one has answered once
 * <models>/.partial/              work under way, on the same file system; what carries no living lock may go
 */
import { randomBytes } from "node:crypto";
import { type Dirent, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { ProxyError } from "../../core/errors.ts";
import { folderOf, nameOf } from "../reference.ts";
import { syncFolder } from "./durable-file.ts";
import { MANIFEST } from "./manifest.ts";

/** What a listing looks for in a folder: an IR of any kind, GGUF, or our own record of one. */
const MARKS = [MANIFEST, "openvino_model.xml", "openvino_language_model.xml", "openvino_encoder_model.xml"];

/** Of a replacement, while others replace the same model. */
const MOST_ATTEMPTS = 50;

/** Whether a folder holds a model, whole or damaged. */
export function isModelFolder(folder: string): boolean {
  if (MARKS.some((mark) => statSync(join(folder, mark), { throwIfNoEntry: false })?.isFile())) return true;
  // A folder of that ending is another model, which was pulled by the name of its file.
  return entries(folder).some((entry) => entry.name.toLowerCase().endsWith(".gguf") && !entry.isDirectory());
}

/** Names, sizes and times of a folder's files: changes when one of them does. */
export function fingerprintOf(directory: string): string {
  return filesOf(directory)
    .map((name) => {
      const file = statSync(join(directory, name), { throwIfNoEntry: false });
      return `${name} ${file?.size} ${file?.mtimeMs} ${file?.ino}`;
    })
    .join("\n");
}

/** A folder's files with their path inside it ("1_Pooling/config.json"), sorted; no hidden ones, no linked folders. */
export function filesOf(directory: string, inside = "", depth = 3): string[] {
  return entries(join(directory, inside))
    .filter(({ name }) => !name.startsWith("."))
    .flatMap((entry) => {
      const path = inside === "" ? entry.name : `${inside}/${entry.name}`;
      if (entry.isDirectory()) return depth > 0 ? filesOf(directory, path, depth - 1) : [];
      return entry.isFile() || statSync(join(directory, path), { throwIfNoEntry: false })?.isFile() ? [path] : [];
    })
    .sort();
}

/** The folder of a name, in the spelling that it has on disk: names match without case. */
export function placeOf(models: string, name: string): string {
  return folderOf(name)
    .split("/")
    .reduce((parent, part) => {
      const names = entries(parent).map((entry) => entry.name);
      const spelling = names.includes(part) ? part : names.find((other) => other.toLowerCase() === part.toLowerCase());
      return join(parent, spelling ?? part);
    }, models);
}

/** Where the revision before the last one lies, if there is one; in the spelling of the model's own folder. */
export function previousOf(models: string, name: string): string {
  return join(models, ".previous", relative(models, placeOf(models, name)));
}

/**
 * Puts a complete and flushed folder in a model's place and returns that; what was there becomes the previous revision.
 * @throws ProxyError invalid_request where an organisation has the name, or a model the organisation's
 */
export async function replaceFolder(models: string, name: string, staged: string): Promise<string> {
  const target = placeOf(models, name);
  const previous = previousOf(models, name);
  for (let attempt = 1; ; attempt++) {
    try {
      refuseClash(models, name);
      if (isThere(target)) await discard(models, previous);
      // In one go from here: an organisation that took this name while we waited would be moved away as if it were the model.
      refuseClash(models, name);
      mkdirSync(dirname(target), { recursive: true });
      if (isThere(target)) {
        mkdirSync(dirname(previous), { recursive: true });
        renameSync(target, previous);
      }
      renameSync(staged, target);
      break;
    } catch (error) {
      // Between two calls another process may have put a folder there (healed it, or replaced it as well) or taken it away.
      const code = (error as NodeJS.ErrnoException).code ?? "";
      const contended = ["ENOENT", "ENOTEMPTY", "EEXIST"].includes(code) && existsSync(staged);
      if (!contended || attempt === MOST_ATTEMPTS) throw error;
    }
  }
  await syncFolder(dirname(target));
  return target;
}

/** Removes a model and what it replaced; at once for whoever looks, whatever happens meanwhile. */
export async function removeFolder(models: string, name: string): Promise<void> {
  const target = placeOf(models, name);
  // In this order and in one go: without its model the previous revision would be taken for one that a crash left there.
  const trash = [previousOf(models, name), target].map((folder) => throwAway(models, folder));
  if (dirname(target) !== models) removeIfEmpty(dirname(target));
  for (const folder of trash) if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}

/** Removes a folder of the store (or nothing): first by a rename, so that a crash never leaves half of it in its place. */
export async function discard(models: string, folder: string): Promise<void> {
  const trash = throwAway(models, folder);
  if (trash !== undefined) await rm(trash, { recursive: true, force: true });
}

/** Moves a folder to where work under way lies, and returns its place there; undefined where there is none. */
function throwAway(models: string, folder: string): string | undefined {
  if (!isThere(folder)) return undefined;
  const trash = join(models, ".partial", `removed-${randomBytes(8).toString("hex")}`);
  mkdirSync(dirname(trash), { recursive: true });
  try {
    renameSync(folder, trash);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return trash;
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Other models of the organisation are in it.
  }
}

/** What lies in .previous: [name, folder]. */
export function previousFolders(models: string): [string, string][] {
  return modelFolders(join(models, ".previous"));
}

/** Folders one or two levels down that hold a model: [name as listings print it, folder]. */
export function modelFolders(root: string): [string, string][] {
  const named = (path: string): [string, string][] => {
    const name = nameOf(path);
    return name !== undefined && isModelFolder(join(root, path)) ? [[name, join(root, path)]] : [];
  };
  return subfolders(root).flatMap((outer) => {
    const found = named(outer);
    return found.length > 0 ? found : subfolders(join(root, outer)).flatMap((inner) => named(`${outer}/${inner}`));
  });
}

/** A crash between the two renames of a replacement leaves the model in .previous alone: it goes back. */
export function heal(models: string): void {
  if (!existsSync(join(models, ".previous"))) return;
  for (const [name, folder] of previousFolders(models)) {
    const target = placeOf(models, name);
    if (isThere(target)) continue;
    try {
      mkdirSync(dirname(target), { recursive: true });
      renameSync(folder, target);
    } catch {
      // Somebody else was quicker, or the store is read-only: there is nothing to undo for us then.
    }
  }
}

/** Whatever it is: a link that points nowhere as well. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/**
 * A model's folder holds its files, an organisation's its models: none can be both. Asked before the work of making a model as
 * well as at its end.
 * @throws ProxyError invalid_request where an organisation has the name, or a model the organisation's
 */
export function refuseClash(models: string, name: string): void {
  const target = placeOf(models, name);
  const refuse = (why: string): never => {
    throw new ProxyError("invalid_request", `The name '${name}' cannot be taken: ${why}. Choose another name.`);
  };
  if (dirname(target) !== models && isModelFolder(dirname(target))) refuse("its first part is a model's own name");
  if (
    statSync(target, { throwIfNoEntry: false })?.isDirectory() &&
    !isModelFolder(target) &&
    entries(target).length > 0
  )
    refuse("models of an organisation of this name are in the store");
}

/** What a folder holds; nothing where there is no such folder. */
export function entries(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return []; // no such folder: nothing in it
  }
}

function subfolders(directory: string): string[] {
  return entries(directory)
    .filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith("."))
    .map(({ name }) => name)
    .sort();
}
