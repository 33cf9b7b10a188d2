/** The models on disk. The files are the truth: nothing about a model is kept that its folder does not say. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ProxyError } from "../core/errors.ts";
import type { Model, ModelStore, ModelTuning } from "../core/ports.ts";
import { inspectModel } from "./inspect.ts";
import { readTuning } from "./tuning.ts";

const DEFAULT_TAG = "latest";
const NAME = /^[\w][\w.-]{0,79}(\/[\w][\w.-]{0,79})?(:[\w][\w.-]{0,79})?$/;

export interface ModelStoreOptions {
  /** Folders of model folders (`<name>/` or `<organisation>/<name>/`); the first that has a name wins. */
  readonly directories: readonly string[];
  /** Where models.json may lie. */
  readonly configDirectory: string;
  /** Folders of the models that come with the program, by name; asked for at every look, so it may unpack them. */
  readonly builtin: () => Promise<Readonly<Record<string, string>>>;
}

/** A store over folders in OpenVINO's layout. What it read of a folder is kept until a file in it changes. */
export function createModelStore({ directories, configDirectory, builtin }: ModelStoreOptions): ModelStore {
  const read = new Map<string, { fingerprint: string; model: Promise<Model> }>();

  const inspect = async (name: string, directory: string): Promise<Model> => {
    const fingerprint = await fingerprintOf(directory);
    const known = read.get(directory);
    if (known?.fingerprint === fingerprint) return await known.model;
    const model = inspectModel(name, directory);
    read.set(directory, { fingerprint, model });
    return await model;
  };

  const find = async (): Promise<Map<string, string>> => {
    const found = new Map<string, string>();
    for (const directory of directories)
      for (const [name, folder] of await modelFolders(directory)) if (!found.has(name)) found.set(name, folder);
    for (const [name, folder] of Object.entries(await builtin()))
      if (!found.has(name) && (await isModel(folder))) found.set(name, folder);
    return found;
  };

  const tuningOf = async (name: string): Promise<ModelTuning> => {
    const entry = (await readTuning(configDirectory)).get(name);
    if (!entry) return {};
    const draft = entry.draft_model?.toLowerCase().replace(/:latest$/, "");
    const directory = draft === undefined ? undefined : await folderOf(draft, find);
    if (draft !== undefined && !directory)
      throw new ProxyError(
        "model_not_found",
        `The draft model '${draft}' that models.json names for '${name}' is not found.`,
      );
    return {
      ...(entry.chat_template !== undefined && { chatTemplate: entry.chat_template }),
      ...(entry.prompt_lookup !== undefined && { promptLookup: entry.prompt_lookup }),
      ...(draft !== undefined && directory !== undefined && { draft: { name: `${draft}:${DEFAULT_TAG}`, directory } }),
    };
  };

  return {
    async list() {
      const models = await Promise.allSettled(
        [...(await find())].map(([name, directory]) => inspect(`${name}:${DEFAULT_TAG}`, directory)),
      );
      return models
        .flatMap((result) => (result.status === "fulfilled" ? [result.value] : []))
        .sort((a, b) => b.modified.getTime() - a.modified.getTime() || (a.name < b.name ? -1 : 1));
    },
    async get(name) {
      const wanted = name.toLowerCase();
      const [base = "", tag = DEFAULT_TAG] = wanted.split(":");
      const directory = NAME.test(wanted) && tag === DEFAULT_TAG ? await folderOf(base, find) : undefined;
      if (!directory)
        throw new ProxyError("model_not_found", `model '${name.slice(0, 200)}' not found`, { param: "model" });
      return { ...(await inspect(`${base}:${DEFAULT_TAG}`, directory)), tuning: await tuningOf(base) };
    },
  };
}

async function folderOf(name: string, find: () => Promise<Map<string, string>>): Promise<string | undefined> {
  for (const [candidate, folder] of await find()) if (candidate.toLowerCase() === name) return folder;
  return undefined;
}

/** Folders one or two levels down that hold an OpenVINO model, by name. */
async function modelFolders(root: string): Promise<[string, string][]> {
  const folders: [string, string][] = [];
  for (const name of await subfolders(root)) {
    const folder = join(root, name);
    if (await isModel(folder)) folders.push([name, folder]);
    else
      for (const inner of await subfolders(folder))
        if (await isModel(join(folder, inner))) folders.push([`${name}/${inner}`, join(folder, inner)]);
  }
  return folders;
}

async function subfolders(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map((entry) => entry.name);
  return names.filter((name) => NAME.test(name)).sort();
}

async function isModel(folder: string): Promise<boolean> {
  return await stat(join(folder, "openvino_model.xml")).then(
    (file) => file.isFile(),
    () => false,
  );
}

/** Names, sizes and times of the folder's files. */
async function fingerprintOf(directory: string): Promise<string> {
  const names = (await readdir(directory)).sort();
  const facts = await Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs } = await stat(join(directory, name));
      return `${name} ${size} ${mtimeMs}`;
    }),
  );
  return facts.join("\n");
}
