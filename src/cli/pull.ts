/** `npu-proxy pull NAME`: fetches a model from the hub. */
import type { Config } from "../config.ts";
import { ProxyError } from "../core/errors.ts";
import type { Client } from "./client.ts";
import { compileAhead } from "./compile-ahead.ts";
import { openClient } from "./connect.ts";
import { print, printError, withoutControls } from "./output.ts";
import { showProgress } from "./progress.ts";
import { wrapped } from "./table.ts";

export interface PullOptions {
  readonly json: boolean;
  readonly ir: boolean;
  /** Compile it for the NPU or GPU once it is here. */
  readonly warm: boolean;
}

/**
 * Pulls a model and shows how it goes; with `json` the server's own lines. What was fetched of one that is interrupted
 * stays for the next pull. Where a server runs it compiles the model by itself, later; otherwise this does, and waits.
 * @throws ProxyError model_not_found, hub_*, download_corrupt, storage_*, or what else the server tells
 */
export async function pull(config: Config, model: string, options: PullOptions, signal: AbortSignal): Promise<void> {
  const client = await openClient(config, signal);
  try {
    const pulled = await fetched(client, model, options, signal);
    if (options.warm && pulled !== undefined) await compileAhead(client, pulled, options.json, signal);
  } finally {
    await client.close();
  }
}

/** The model's name, where there is something new of it. */
async function fetched(
  client: Client,
  model: string,
  options: PullOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const last = await showProgress(await client.pull(model, options, signal), options);
    const name = last?.model ?? model;
    const news = last?.unchanged ? "was here already, and is the newest" : "is here";
    const notes = (last?.notes ?? []).map((note) => `${wrapped(`  ${note}`, 6)}\n`);
    if (!options.json) await print(withoutControls(`${name} ${news}.\n${notes.join("")}`));
    return last?.unchanged ? undefined : name;
  } catch (error) {
    if (signal.aborted) await printError("Stopped. What was fetched is kept: the same command goes on from there.\n");
    throw withoutPrefix(error);
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
