/** The places that models lie in: the user's store, the system's below it, and what comes with the program. */
import { dirname, relative } from "node:path";
import { localName, nameOf, parseReference } from "../reference.ts";
import { heal, isModelFolder, modelFolders, placeOf } from "./folders.ts";

export interface Shelved {
  /** As listings print it: "tinyllama:latest". */
  readonly name: string;
  readonly folder: string;
  /** Only what lies in the user's store can be changed. */
  readonly shelf: "user" | "system" | "builtin";
}

export interface Shelves {
  /** The user's store. */
  readonly models: string;
  /** Every model; of several with one name the first shelf's. */
  all(): Promise<readonly Shelved[]>;
  /** Names match without case; what is no name is not found. */
  find(name: string): Promise<Shelved | undefined>;
}

export interface ShelvesOptions {
  readonly models: string;
  /** Read-only; undefined: none. */
  readonly system: string | undefined;
  /** Folders of the models that come with the program, by name; asked for at every look, so it may unpack them. */
  readonly builtin: () => Promise<Readonly<Record<string, string>>>;
}

export function createShelves({ models, system, builtin }: ShelvesOptions): Shelves {
  const stores = [
    { shelf: "user", root: models } as const,
    ...(system === undefined ? [] : [{ shelf: "system", root: system } as const]),
  ];
  const shipped = async (): Promise<Shelved[]> =>
    Object.entries(await builtin())
      .filter(([, folder]) => isModelFolder(folder))
      .map(([name, folder]) => ({ name: localName(parseReference(name)), folder, shelf: "builtin" }));
  return {
    models,
    async all() {
      heal(models);
      const stored = stores.flatMap(({ shelf, root }) =>
        modelFolders(root).map(([name, folder]): Shelved => ({ name, folder, shelf })),
      );
      const found = new Map<string, Shelved>();
      for (const shelved of [...stored, ...(await shipped())])
        if (!found.has(shelved.name.toLowerCase())) found.set(shelved.name.toLowerCase(), shelved);
      return [...found.values()];
    },
    async find(text) {
      const wanted = storeName(text);
      if (wanted === undefined) return undefined;
      heal(models);
      // One look at the folder that it would be: listing all of them would cost every request by their number.
      for (const { shelf, root } of stores) {
        const folder = placeOf(root, wanted);
        const name = nameOf(relative(root, folder).replaceAll("\\", "/"));
        // A model's own folders ("1_Pooling") are no models.
        const within = dirname(folder) !== root && isModelFolder(dirname(folder));
        if (name !== undefined && !within && isModelFolder(folder)) return { name, folder, shelf };
      }
      return (await shipped()).find(({ name }) => name.toLowerCase() === wanted.toLowerCase());
    },
  };
}

/** The local name that a text means; undefined where it is no name. */
function storeName(text: string): string | undefined {
  try {
    return localName(parseReference(text));
  } catch {
    return undefined;
  }
}
