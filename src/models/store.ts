/** The models on disk. The files are the truth: nothing about a model is kept that its folder does not say. */
import { ProxyError } from "../core/errors.ts";
import type { Model, ModelStore, ModelTuning } from "../core/ports.ts";
import { fingerprintOf, isModelFolder, isModelName, modelFolders } from "./folders.ts";
import { inspectModel } from "./inspect.ts";
import { readTuning } from "./tuning.ts";

const DEFAULT_TAG = "latest";

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
    const fingerprint = fingerprintOf(directory);
    const known = read.get(directory);
    if (known?.fingerprint === fingerprint) return await known.model;
    const model = inspectModel(name, directory);
    read.set(directory, { fingerprint, model });
    return await model;
  };

  const find = async (): Promise<Map<string, string>> => {
    const found = new Map<string, string>();
    for (const directory of directories)
      for (const [name, folder] of modelFolders(directory)) if (!found.has(name)) found.set(name, folder);
    for (const [name, folder] of Object.entries(await builtin()))
      if (!found.has(name) && isModelFolder(folder)) found.set(name, folder);
    return found;
  };

  const tuningOf = async (name: string): Promise<ModelTuning> => {
    const entry = readTuning(configDirectory).get(name);
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
      const [base = "", tag = DEFAULT_TAG, ...more] = wanted.split(":");
      const named = isModelName(base) && tag === DEFAULT_TAG && more.length === 0;
      const directory = named ? await folderOf(base, find) : undefined;
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
