/** --allow-models: a store that knows some of its models only. */
import { ProxyError } from "../core/errors.ts";
import type { ModelStore } from "../core/model.ts";
import { localName, parseReference } from "./reference.ts";

/**
 * The store, without every model that is not among the names; no names: the store as it is. Listings leave the others
 * out, and whoever asks for one is told what is served. (Draft models of models.json are the store's own business.)
 * @throws ProxyError invalid_setting where a name is none
 */
export function allowedStore(store: ModelStore, names: readonly string[]): ModelStore {
  if (names.length === 0) return store;
  const listed = names.map(settingName);
  const allowed = new Set(listed.map((name) => name.toLowerCase()));
  const isAllowed = ({ name }: { readonly name: string }): boolean => allowed.has(name.toLowerCase());
  const inventory: ModelStore["inventory"] = async () => {
    const { models, damaged } = await store.inventory();
    return { models: models.filter(isAllowed), damaged: damaged.filter(isAllowed) };
  };
  return {
    inventory,
    list: async () => (await inventory()).models,
    async get(name) {
      if (isAllowed({ name: readName(name) ?? "" })) return await store.get(name);
      throw new ProxyError(
        "model_not_found",
        `model '${name.slice(0, 200)}' not found: this server serves only ${listed.join(", ")} (--allow-models)`,
        { param: "model" },
      );
    },
    answered: (model) => store.answered(model),
  };
}

function settingName(text: string): string {
  const name = readName(text);
  if (name !== undefined) return name;
  throw new ProxyError(
    "invalid_setting",
    `--allow-models has "${text}". Expected names of models separated by commas.`,
  );
}

/** As listings print it; undefined where the text is no name. */
function readName(text: string): string | undefined {
  try {
    return localName(parseReference(text));
  } catch {
    return undefined;
  }
}
