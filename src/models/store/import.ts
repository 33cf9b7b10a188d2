/** Models that are on this machine already, outside of the store. */
import { basename } from "node:path";
import type { ImportOptions } from "../../core/library.ts";
import { type IrKitchen, keepIr, lacksIr } from "../pull/gguf-ir.ts";
import { newName } from "./create.ts";
import { refuseClash } from "./folders.ts";
import { copyIn } from "./ingredients.ts";
import { digestOfFiles } from "./manifest.ts";
import { adopt, openWorkbench } from "./workbench.ts";

/**
 * Copies a folder or a GGUF file into the store (sharing its blocks where the file system can) and returns the model's name.
 * @param kitchen `models` is the user's store
 * @throws ProxyError as ModelLibrary.import
 */
export async function importModel(
  path: string,
  { name, keepIr: wanted }: ImportOptions,
  { models, ...kitchen }: IrKitchen & { readonly models: string },
  signal: AbortSignal,
): Promise<string> {
  const local = newName(name ?? basename(path).replace(/\.gguf$/i, ""));
  refuseClash(models, local);
  await using bench = await openWorkbench(models);
  const copied = await copyIn(path, bench.folder, signal);
  const files =
    wanted && lacksIr(copied) ? await keepIr(bench.folder, copied, kitchen, () => undefined, signal) : copied;
  return (await adopt(models, bench.folder, { version: 1, name: local, files, digest: digestOfFiles(files) })).name;
}
