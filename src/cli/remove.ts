/** `npu-proxy rm NAME...`: removes models from the store. */
import type { Config } from "../config.ts";
import { openClient } from "./connect.ts";
import { exitCode, reportError } from "./exit-codes.ts";
import { print } from "./output.ts";

/** Removes each of the models, whatever became of the others. Resolves with the exit code of the first that failed. */
export async function remove(config: Config, models: readonly string[], signal: AbortSignal): Promise<number> {
  const client = await openClient(config, signal);
  let code: number = exitCode.ok;
  try {
    for (const model of models) {
      try {
        await client.remove(model, signal);
        await print(`Removed ${model}.\n`);
      } catch (error) {
        signal.throwIfAborted();
        const failed = await reportError(error);
        code ||= failed;
      }
    }
    return code;
  } finally {
    await client.close();
  }
}
