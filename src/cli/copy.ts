/** `npu-proxy cp SOURCE NAME`: a model under one more name; its files are on disk once. */
import type { Config } from "../config.ts";
import { openClient } from "./connect.ts";
import { print } from "./output.ts";

/** Copies a model of the store. @throws ProxyError model_not_found, invalid_request, or what else the server tells */
export async function copy(config: Config, source: string, destination: string, signal: AbortSignal): Promise<void> {
  const client = await openClient(config, signal);
  try {
    await client.copy(source, destination, signal);
    await print(`Copied ${source} to ${destination}.\n`);
  } finally {
    await client.close();
  }
}
