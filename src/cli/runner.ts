/** `npu-proxy runner`, hidden: the process of one model on one device, started by the server over IPC. */
import { runRunner } from "../runner/process.ts";

/** Serves its parent until that ends or disconnects; resolves with the exit code. */
export async function runner(options: { readonly runtime: string; readonly cache: string }): Promise<number> {
  return await runRunner({ runtimeDirectory: options.runtime, cacheDirectory: options.cache });
}
