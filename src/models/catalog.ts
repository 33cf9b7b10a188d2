/**
 * The models that are known by name. The data is catalog.json beside this file, extended by the user's own file of the same
 * form, whose entries win:
 * { "models": [{ "family": "llama", "kind": "llm", "parameterSize": "1B", "license": "mit",
 *                "variants": [{ "name": "mine", "quantization": "INT4", "repository": "me/mine-int4-ov", "devices": ["CPU"] }] }] }
 * The first variant of a model is what its bare name means, unless this machine suits another one better.
 */
import { existsSync, readFileSync } from "node:fs";
import * as v from "valibot";
import { ProxyError } from "../core/errors.ts";
import type { CatalogEntry } from "../core/library.ts";
import { nearest } from "../core/nearest.ts";
import type { DeviceInfo } from "../core/request.ts";
import shipped from "./catalog.json" with { type: "json" };
import { localName, parseReference, type Reference } from "./reference.ts";

export interface Catalog {
  /** Every variant of every model, the user's own first. */
  entries(): readonly CatalogEntry[];
  /** The entry of this very name and tag, alias or repository; undefined where there is none. */
  find(reference: Reference): CatalogEntry | undefined;
  /**
   * The entry to pull for a name: of a name that tells no variant, the one for this machine (channel-wise INT4 where there is
   * an NPU, the first one otherwise). `reason` is a sentence for the user. The model keeps the name that was asked for.
   */
  choose(
    reference: Reference,
    devices: readonly DeviceInfo[],
  ): { readonly entry: CatalogEntry; readonly reason: string } | undefined;
  /** At most three names, of the catalogue and of `others`, that a name nobody knows may have meant; nearest first. */
  nearest(name: string, others?: readonly string[]): readonly string[];
}

export interface CatalogOptions {
  /** The user's catalog.json; it need not exist. */
  readonly userFile?: string;
}

const NPU_QUANTIZATION = "INT4 channel-wise";
const NAMES_A_VARIANT = /(int|fp|bf)\d/i;

const text = v.pipe(v.string(), v.nonEmpty());
const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const modelName = v.pipe(
  v.string(),
  v.check((name) => kindOf(name) === "model", "no name of a model"),
);
const variant = v.strictObject({
  name: modelName,
  aliases: v.optional(v.array(modelName), []),
  quantization: text,
  repository: v.pipe(
    v.string(),
    v.check((name) => kindOf(name) === "repository", "no organisation/repository"),
  ),
  devices: v.array(v.picklist(["NPU", "GPU", "CPU"])),
  convert: v.exactOptional(v.boolean()),
  description: v.exactOptional(text),
});
const file = v.strictObject({
  models: v.array(
    v.strictObject({
      family: text,
      kind: v.picklist(["llm", "embedding", "rerank", "vlm", "speech"]),
      parameterSize: text,
      license: text,
      contextLength: v.exactOptional(count),
      dimensions: v.exactOptional(count),
      description: v.exactOptional(text),
      variants: v.pipe(v.array(variant), v.minLength(1)),
    }),
  ),
});

/** The variants of one model. */
type Variants = readonly CatalogEntry[];

/** What is known by which name. */
interface Index {
  readonly entries: readonly CatalogEntry[];
  readonly byName: ReadonlyMap<string, { readonly entry: CatalogEntry; readonly variants: Variants }>;
}

/**
 * Nothing is read before something is asked, and what was wrong then is read again at the next question.
 * @throws ProxyError invalid_setting from each of its methods, naming what in the user's file is wrong
 */
export function createCatalog({ userFile }: CatalogOptions = {}): Catalog {
  let read: Index | undefined;
  const index = (): Index => {
    read ??= indexOf([...(userFile === undefined ? [] : readUserFile(userFile)), ...modelsOf(v.parse(file, shipped))]);
    return read;
  };

  const lookUp = (reference: Reference) => index().byName.get(localName(reference).toLowerCase());
  return {
    entries: () => index().entries,
    find: (reference) => lookUp(reference)?.entry,
    choose(reference, devices) {
      const found = lookUp(reference);
      if (!found) return undefined;
      const { entry, variants } = found;
      if (reference.kind === "repository" || entry !== variants[0] || NAMES_A_VARIANT.test(localName(reference)))
        return { entry, reason: `${shortName(localName(reference))} names this variant: ${entry.quantization}.` };
      return chooseFor(devices, entry, variants);
    },
    nearest(name, others = []) {
      const wanted = shortName(name.toLowerCase());
      const known = index().entries.flatMap((entry) => [entry.name, ...entry.aliases, entry.repository]);
      // A bare name was meant to be one: the variants of one model would push the other models out of the three.
      const candidates = [...others, ...known]
        .map(shortName)
        .filter((candidate) => [":", "/"].every((sign) => wanted.includes(sign) || !candidate.includes(sign)));
      const longer = candidates
        .filter((candidate) => wanted.length > 2 && candidate.toLowerCase().includes(wanted))
        .sort((a, b) => a.length - b.length);
      const close = nearest(wanted, candidates, { within: 2 });
      const far = nearest(wanted, candidates, { within: Math.min(4, Math.floor(wanted.length / 2)) });
      return [...new Set([...close, ...longer, ...far])].slice(0, 3);
    },
  };
}

function indexOf(models: readonly Variants[]): Index {
  const byName = new Map<string, { readonly entry: CatalogEntry; readonly variants: Variants }>();
  const entries: CatalogEntry[] = [];
  for (const variants of models)
    for (const entry of variants) {
      if (!byName.has(keyOf(entry.name))) entries.push(entry);
      for (const name of [entry.name, ...entry.aliases, entry.repository])
        if (!byName.has(keyOf(name))) byName.set(keyOf(name), { entry, variants });
    }
  return { entries, byName };
}

function chooseFor(
  devices: readonly DeviceInfo[],
  first: CatalogEntry,
  variants: Variants,
): { readonly entry: CatalogEntry; readonly reason: string } {
  const npu = devices.find(({ name }) => name === "NPU");
  if (!npu) {
    const why = variants.length > 1 ? "this machine has no NPU" : "it is published in this form alone";
    return { entry: first, reason: `${first.quantization}, because ${why}.` };
  }
  const machine = npu.emulated ? "this machine's emulated NPU" : "this machine's NPU";
  const forNpu = variants.find(({ quantization }) => quantization === NPU_QUANTIZATION);
  if (forNpu) return { entry: forNpu, reason: `${forNpu.quantization}, because ${machine} is made for it.` };
  if (first.devices.includes("NPU"))
    return { entry: first, reason: `${first.quantization}, because it runs on ${machine} as it is.` };
  const places = first.devices.join(" and ");
  return {
    entry: first,
    reason: `${first.quantization} for ${places}, because no ${NPU_QUANTIZATION} variant is known that would suit ${machine}.`,
  };
}

function modelsOf({ models }: v.InferOutput<typeof file>): readonly Variants[] {
  return models.map(({ variants, ...model }) =>
    variants.map((entry) => ({ ...model, ...entry, name: localName(parseReference(entry.name)) })),
  );
}

function readUserFile(path: string): readonly Variants[] {
  if (!existsSync(path)) return [];
  const refuse = (what: string): ProxyError =>
    new ProxyError("invalid_setting", `catalog.json in the config folder: ${what}. Correct it or remove it.`, {
      detail: path,
    });
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw refuse(error instanceof SyntaxError ? "it is no JSON" : "it cannot be read");
  }
  const parsed = v.safeParse(file, content);
  if (parsed.success) return modelsOf(parsed.output);
  const [issue] = parsed.issues;
  throw refuse(`${v.getDotPath(issue) ?? "its content"}: ${issue.message}`);
}

/** Names that differ in case alone are one. */
function keyOf(name: string): string {
  return localName(parseReference(name)).toLowerCase();
}

function kindOf(name: string): Reference["kind"] | undefined {
  try {
    return parseReference(name).kind;
  } catch {
    return undefined;
  }
}

function shortName(name: string): string {
  return name.replace(/:latest$/i, "");
}
