/** `npu-proxy stop MODEL`: makes the running server unload a model. */
import type { Config } from "../config.ts";
import { connectServer } from "./connect.ts";
import { print } from "./output.ts";

/** Asks for it and does not wait: what runs or waits is answered first. @throws ProxyError model_not_found, or what else the server tells */
export async function stop(config: Config, model: string, signal: AbortSignal): Promise<void> {
  const client = await connectServer(config, signal);
  if (!client) return await print("No server runs, so nothing is loaded.\n");
  await client.stop(model, signal);
  await print(`Unloading ${model}: requests that run or wait are answered first.\n`);
}
