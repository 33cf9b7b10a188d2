/** `npu-proxy embed FILE`: the vectors of a file's lines. */
import type { Config } from "../../config.ts";
import { ProxyError } from "../../core/errors.ts";
import type { Client } from "../client.ts";
import { openClient } from "../connect.ts";
import { exitCode } from "../exit-codes.ts";
import { printError } from "../output.ts";
import { countLines, openInput } from "./input.ts";
import { type Output, openOutput } from "./output-file.ts";
import { EmbedProgress } from "./progress.ts";

export interface EmbedOptions {
  readonly model?: string;
  readonly output?: string;
  readonly resume: boolean;
  readonly encoding: "float" | "base64";
  readonly inputType?: "query" | "document";
  readonly plain: boolean;
}

/**
 * Embeds a file's lines, or stdin's ("-"), as they are read. Resolves with 1 where a line had no vector. What is written
 * when it is stopped stays whole lines, and `resume` goes on behind them.
 * @throws ProxyError invalid_request, model_not_found, storage_failed, or what else the server tells
 */
export async function embed(config: Config, file: string, options: EmbedOptions, signal: AbortSignal): Promise<number> {
  if (options.resume && options.output === undefined)
    throw new ProxyError("invalid_request", "--resume goes on with an output file: name it with --output.");
  const body = await openInput(file, options.plain, signal);
  const output = await openOutput(options.output, options.resume);
  try {
    const client = await openClient(config, signal);
    try {
      return await embedded(client, { file, body, output }, options, signal);
    } finally {
      await client.close();
    }
  } finally {
    await output.close();
  }
}

interface Ends {
  readonly file: string;
  readonly body: ReadableStream<Uint8Array>;
  readonly output: Output;
}

async function embedded(
  client: Client,
  { file, body, output }: Ends,
  options: EmbedOptions,
  signal: AbortSignal,
): Promise<number> {
  const progress = new EmbedProgress({
    name: file === "-" ? "stdin" : file,
    begun: output.last,
    // Vectors and a bar do not go to one screen.
    shown: options.output !== undefined || !process.stdout.isTTY,
    count: async () => (file === "-" ? undefined : await countLines(file, signal)),
  });
  await progress.begin();
  let [texts, refused] = [0, 0];
  try {
    const lines = await client.embedLines(body, parametersOf(options, output.last + 1), signal);
    for await (const { raw, line } of lines) {
      if (line.line === undefined) continue;
      await output.write(`${raw}\n`);
      texts += 1;
      if (line.refused) refused += 1;
      progress.reached(line.line);
    }
  } catch (error) {
    await progress.end();
    if (options.output !== undefined && texts + output.last > 0)
      await printError("What was embedded is kept: the same command with --resume goes on from there.\n");
    throw error;
  }
  await progress.end(texts - refused);
  if (refused === 0) return exitCode.ok;
  const which = refused === 1 ? "1 line has" : `${refused} lines have`;
  await printError(`npu-proxy: ${which} no vector; in the output they have an "error" that says why.\n`);
  return exitCode.failure;
}

function parametersOf(options: EmbedOptions, from: number): URLSearchParams {
  return new URLSearchParams({
    ...(options.model !== undefined && { model: options.model }),
    from: String(from),
    encoding_format: options.encoding,
    ...(options.inputType && { input_type: options.inputType }),
  });
}
