/** Models that are on this machine already, outside of the store. */
import { basename } from "node:path";
import { newName } from "./create.ts";
import { copyIn } from "./ingredients.ts";
import { digestOfFiles } from "./manifest.ts";
import { adopt, openWorkbench } from "./workbench.ts";

/**
 * Copies a folder or a GGUF file into the store (sharing its blocks where the file system can) and returns the model's name.
 * @throws ProxyError invalid_request, model_invalid
 */
export async function importModel(
  models: string,
  path: string,
  name: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const local = newName(name ?? basename(path).replace(/\.gguf$/i, ""));
  await using bench = await openWorkbench(models);
  const files = await copyIn(path, bench.folder, signal);
  return (await adopt(models, bench.folder, { version: 1, name: local, files, digest: digestOfFiles(files) })).name;
}
