/** `npu-proxy import PATH`: takes a folder or a GGUF file into the store. */
import { resolve } from "node:path";
import type { Config } from "../config.ts";
import { openLibrary } from "./library.ts";
import { print } from "./output.ts";

/** Takes a model into the store, by its folder's name or another. @throws ProxyError as ModelLibrary.import */
export async function importModel(
  config: Config,
  path: string,
  options: { readonly name?: string; readonly ir: boolean },
  signal: AbortSignal,
): Promise<void> {
  await using opened = await openLibrary(config);
  const { name, ir } = options;
  const how = { keepIr: ir, ...(name !== undefined && { name }) };
  const model = await opened.library.import(resolve(path), how, signal);
  await print(`${model} is in the store.\n`);
}
