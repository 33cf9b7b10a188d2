/** Models that were not pulled: what the catalogue and their small files on the hub tell. */
import type { CatalogEntry, RemoteModel } from "../../core/library.ts";
import type { DeviceInfo } from "../../core/request.ts";
import type { Catalog } from "../catalog.ts";
import type { Hub } from "../hub/hub.ts";
import { findTarget } from "../pull/pull-target.ts";
import { selectFiles } from "../pull/selection.ts";
import { inspectRemote } from "./inspect-remote.ts";

export interface DescribeOptions {
  readonly hub: Hub;
  readonly catalog: Catalog;
  readonly devices: () => Promise<readonly DeviceInfo[]>;
}

/** @throws ProxyError as ModelLibrary.describe */
export async function describeModel(
  text: string,
  { hub, catalog, devices }: DescribeOptions,
  signal: AbortSignal,
): Promise<RemoteModel> {
  const { name, repository, revision, tag, entry } = await findTarget(text, catalog, devices);
  const { commit, license } = await hub.resolve(repository, revision, signal);
  const { files } = selectFiles(repository, await hub.files(repository, commit, signal), tag);
  return {
    ...(license !== undefined && { license }),
    ...(entry && knownOf(entry)),
    ...(await inspectRemote(hub, repository, commit, files, signal)),
    name,
    source: { hub: hub.host, repository, revision, commit },
  };
}

/** What the catalogue tells of a model in a listing's terms; its files are asked first. */
function knownOf({ family, kind, parameterSize, quantization, contextLength, dimensions, license }: CatalogEntry) {
  return {
    family,
    kind,
    parameterSize,
    quantization,
    license,
    ...(contextLength !== undefined && { contextLength }),
    ...(dimensions !== undefined && { embeddingLength: dimensions }),
  };
}
