/** The part of a pull that makes a model of files that nobody can serve as they are. */
import { ProxyError } from "../../core/errors.ts";
import type { ModelKind } from "../../core/model.ts";
import type { Hub } from "../hub/hub.ts";
import type { HubFile } from "../hub/hub-file.ts";
import { filesOf } from "../store/folders.ts";
import type { ManifestFile } from "../store/manifest.ts";
import type { ConversionPlan, Converter } from "./convert.ts";
import type { PullFolder } from "./pull-folder.ts";
import { settle } from "./settled-files.ts";

/** One that can be carried out. */
export type Feasible = Exclude<ConversionPlan, { readonly with: "nothing" }>;

export interface Convertible {
  readonly hub: Pick<Hub, "read">;
  readonly repository: string;
  readonly commit: string;
  readonly files: readonly HubFile[];
  readonly kind: ModelKind;
  readonly token: string | undefined;
}

const CONFIG = "config.json";
const CONFIG_LIMIT = 1 << 20;

/**
 * Decides before anything large is fetched.
 * @throws ProxyError conversion_failed with what to do where nothing on this machine can convert it; as Hub.read
 */
export async function planConversion(
  converter: Converter | undefined,
  { hub, repository, commit, files, kind, token }: Convertible,
  signal: AbortSignal,
): Promise<Feasible> {
  const refuse = (why: string): ProxyError =>
    new ProxyError("conversion_failed", `${repository} has only safetensors, which must be converted first: ${why}`);
  if (!converter) throw refuse("this npu-proxy cannot do that. Pull an OpenVINO repository of it instead.");
  if (!files.some(({ path }) => path === CONFIG)) throw refuse(`it has no ${CONFIG}. Pull another repository of it.`);
  const text = new TextDecoder().decode(await hub.read(repository, commit, CONFIG, CONFIG_LIMIT, signal, token));
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    throw refuse(`its ${CONFIG} is no JSON. Pull another repository of it.`);
  }
  const plan = converter.plan(files, config, kind, repository);
  if (plan.with === "nothing") throw refuse(plan.advice);
  return plan;
}

/** Converts a pull's files and returns what came out, hashed and flushed. @throws ProxyError conversion_failed, storage_* */
export async function convert(
  converter: Converter,
  folder: PullFolder,
  plan: Feasible,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<readonly ManifestFile[]> {
  for await (const line of converter.convert(folder.files, folder.converted, plan, signal)) onLine(line);
  return await settle(folder.converted, filesOf(folder.converted), signal);
}
