/** `npu-proxy list`: the models on disk. */
import type { Config } from "../config.ts";
import { openClient } from "./connect.ts";
import { print, printError, withoutControls } from "./output.ts";
import { humanAge, humanSize, table } from "./table.ts";

/** Prints the models on disk as a table, or the server's JSON. @throws ProxyError what the server tells */
export async function list(config: Config, options: { readonly json: boolean }, signal: AbortSignal): Promise<void> {
  const client = await openClient(config, signal);
  try {
    const answer = await client.list(signal);
    if (options.json) return await print(`${JSON.stringify(answer, null, 2)}\n`);
    const now = new Date();
    const rows = answer.models.map((model) => [
      model.name,
      model.digest.slice(0, 12),
      humanSize(model.size),
      humanAge(new Date(model.modified_at), now),
    ]);
    await print(table(["NAME", "ID", "SIZE", "MODIFIED"], rows));
    for (const { name, reason } of answer.damaged ?? [])
      await printError(`${withoutControls(`damaged: ${name}: ${reason}`).replace(/\s+/g, " ")}\n`);
  } finally {
    await client.close();
  }
}
