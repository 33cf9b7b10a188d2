/** npu-proxy.json in a model's folder: where its files came from and what they must be. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { ProxyError } from "../../core/errors.ts";
import type { Recipe, Source } from "../../core/model.ts";
import { isSafePath } from "../hub/hub-file.ts";
import { writeDurable } from "./durable-file.ts";

export const MANIFEST = "npu-proxy.json";

export interface ManifestFile {
  /** Relative to the model's folder, with "/" between names. */
  readonly path: string;
  readonly size: number;
  /** 64 hex digits. */
  readonly sha256: string;
}

export interface Manifest {
  readonly version: 1;
  /** As listings print it: "tinyllama:latest". */
  readonly name: string;
  /** Absent: imported or made on this machine. */
  readonly source?: Source;
  /** Every file of the folder but the manifest itself. */
  readonly files: readonly ManifestFile[];
  /** digestOfFiles of them (and of the recipe, where there is one). */
  readonly digest: string;
  /** ISO 8601. */
  readonly pulledAt?: string;
  readonly license?: string;
  readonly recipe?: Recipe;
  /** The command that made the files from those of `source`; absent: they are the source's own. */
  readonly converted?: string;
}

const hex = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)));
const text = v.array(v.string());
const schema = v.object({
  version: v.literal(1),
  name: v.pipe(v.string(), v.minLength(1)),
  source: v.exactOptional(v.object({ hub: v.string(), repository: v.string(), revision: v.string(), commit: hex(40) })),
  files: v.array(
    v.object({
      path: v.pipe(v.string(), v.check(isSafePath, "a path within the model's folder")),
      size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
      sha256: hex(64),
    }),
  ),
  digest: hex(64),
  pulledAt: v.exactOptional(v.pipe(v.string(), v.isoTimestamp())),
  license: v.exactOptional(v.string()),
  recipe: v.exactOptional(
    v.object({
      parent: v.string(),
      system: v.exactOptional(v.string()),
      template: v.exactOptional(v.object({ kind: v.picklist(["jinja", "go"]), source: v.string() })),
      parameters: v.exactOptional(v.record(v.string(), v.union([v.string(), v.number(), v.boolean(), text]))),
      messages: v.exactOptional(
        v.array(v.object({ role: v.picklist(["system", "user", "assistant", "tool"]), content: v.string() })),
      ),
      license: v.exactOptional(text),
    }),
  ),
  converted: v.exactOptional(v.string()),
});

/**
 * The manifest of a model's folder; undefined where there is none (a folder put there by hand).
 * @throws ProxyError model_invalid for one that cannot be read: without it a derived model would lose its recipe
 */
export function readManifest(folder: string): Manifest | undefined {
  let content: string;
  try {
    content = readFileSync(join(folder, MANIFEST), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw damaged("it cannot be read", folder, error);
  }
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch (error) {
    throw damaged("it is no JSON", folder, error);
  }
  const parsed = v.safeParse(schema, json);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw damaged(`${v.getDotPath(issue) ?? "its content"}: ${issue.message}`, folder, undefined);
}

/** Writes the manifest whole or not at all. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  await writeDurable(join(folder, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/** 64 hex digits over names, sizes and contents, whatever their order; a recipe makes the same files another model. */
export function digestOfFiles(files: readonly ManifestFile[], recipe?: Recipe): string {
  const hash = createHash("sha256");
  for (const { path, size, sha256 } of [...files].sort((a, b) => (a.path < b.path ? -1 : 1)))
    hash.update(`${path}\0${size}\0${sha256}\n`);
  if (recipe) hash.update(JSON.stringify(recipe));
  return hash.digest("hex");
}

function damaged(what: string, folder: string, cause: unknown): ProxyError {
  return new ProxyError(
    "model_invalid",
    `A model's manifest (${MANIFEST}) is damaged: ${what}. Pull the model again, or remove the file to use the folder as it is.`,
    { detail: folder, cause },
  );
}
