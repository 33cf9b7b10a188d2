/** The model library inside this process, for the commands that work on the store itself, whether a server runs or not. */
import type { Config } from "../config.ts";
import type { ModelLibrary } from "../core/library.ts";
import { createLog } from "../log.ts";
import { composeModels } from "./compose.ts";

/** The library over the settings' store; disposing ends what it started. The store's locks keep it safe beside a server. */
export async function openLibrary(config: Config): Promise<AsyncDisposable & { readonly library: ModelLibrary }> {
  const { library, engines } = composeModels(config, createLog(config.logLevel));
  return { library, [Symbol.asyncDispose]: () => engines.close() };
}
