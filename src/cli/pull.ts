/** `npu-proxy pull NAME`: fetches a model from the hub. */
import type { Config } from "../config.ts";
import { ProxyError } from "../core/errors.ts";
import { openClient } from "./connect.ts";
import { print, printError, withoutControls } from "./output.ts";
import { showProgress } from "./progress.ts";
import { wrapped } from "./table.ts";

/**
 * Pulls a model and shows how it goes; with `json` the server's own lines. What was fetched of one that is interrupted
 * stays for the next pull.
 * @throws ProxyError model_not_found, hub_*, download_corrupt, storage_*, or what else the server tells
 */
export async function pull(
  config: Config,
  model: string,
  options: { readonly json: boolean; readonly ir: boolean },
  signal: AbortSignal,
): Promise<void> {
  const client = await openClient(config, signal);
  try {
    const last = await showProgress(await client.pull(model, options, signal), options);
    if (options.json) return;
    const news = last?.unchanged ? "was here already, and is the newest" : "is here";
    const notes = (last?.notes ?? []).map((note) => `${wrapped(`  ${note}`, 6)}\n`);
    await print(withoutControls(`${last?.model ?? model} ${news}.\n${notes.join("")}`));
  } catch (error) {
    if (signal.aborted) await printError("Stopped. What was fetched is kept: the same command goes on from there.\n");
    throw withoutPrefix(error);
  } finally {
    await client.close();
  }
}

/** What Ollama puts before an error of its first step, for its own clients; here it only stands in the way. */
function withoutPrefix(error: unknown): unknown {
  if (!(error instanceof ProxyError)) return error;
  const { code, message, detail } = error;
  return new ProxyError(code, message.replace(/^pull model manifest: /, ""), {
    ...(detail && { detail }),
    cause: error,
  });
}
