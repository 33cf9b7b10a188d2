/** From what somebody asked for to the repository that it is. */
import { ProxyError } from "../../core/errors.ts";
import type { CatalogEntry } from "../../core/library.ts";
import type { DeviceInfo } from "../../core/request.ts";
import type { Catalog } from "../catalog.ts";
import { localName, parseReference, type Reference } from "../reference.ts";

export interface Target {
  /** What the model is called in the store. */
  readonly name: string;
  /** "organisation/name". */
  readonly repository: string;
  readonly revision: string;
  /** Which of several models in the repository: "latest", a quantization, a file name. */
  readonly tag: string;
  /** Absent: a repository that the catalogue does not know. */
  readonly entry?: CatalogEntry;
  /** Why this variant; absent where the repository itself was asked for. */
  readonly reason?: string;
}

const MAIN = "main";

/**
 * @param devices asked for a bare name alone: finding them may take seconds
 * @throws ProxyError invalid_request; model_not_found with the nearest names
 */
export async function findTarget(
  text: string,
  catalog: Catalog,
  devices: () => Promise<readonly DeviceInfo[]>,
): Promise<Target> {
  const reference = parseReference(text);
  const name = localName(reference);
  if (reference.kind === "repository") {
    const entry = catalog.find(reference);
    return { name, ...placeOf(reference), ...(entry && { entry }) };
  }
  const chosen = catalog.choose(reference, await devices());
  if (!chosen) throw notFound(name, catalog.nearest(text));
  const { entry, reason } = chosen;
  const place = placeOf(parseReference(entry.repository));
  return { name, ...place, revision: reference.revision ?? place.revision, entry, reason };
}

function placeOf(reference: Reference): Pick<Target, "repository" | "revision" | "tag"> {
  if (reference.kind === "model") throw new TypeError("The catalogue holds a repository without an organisation.");
  const { organisation, repository, revision = MAIN, tag } = reference;
  return { repository: `${organisation}/${repository}`, revision, tag };
}

function notFound(name: string, nearest: readonly string[]): ProxyError {
  const advice = nearest.length === 0 ? "" : ` Did you mean ${nearest.join(", ")}?`;
  return new ProxyError(
    "model_not_found",
    `model '${name}' not found in the catalogue.${advice} \`npu-proxy search\` finds others; a repository of the hub is pulled as organisation/name.`,
    { param: "model" },
  );
}
