/** `npu-proxy search [TEXT]`: models of the hub and of the catalogue. */
import type { Config } from "../config.ts";
import type { SearchQuery } from "../core/library.ts";
import type { SearchAnswer } from "./answers.ts";
import { openClient } from "./connect.ts";
import { print, printError, withoutControls } from "./output.ts";
import { humanCount, table, wrapped } from "./table.ts";

/** Prints what was found as a table, or the server's JSON. @throws ProxyError what the server tells */
export async function search(
  config: Config,
  query: SearchQuery,
  options: { readonly json: boolean },
  signal: AbortSignal,
): Promise<void> {
  const client = await openClient(config, signal);
  try {
    const answer = await client.search(query, signal);
    if (options.json) return await print(`${JSON.stringify(answer, null, 2)}\n`);
    if (answer.note !== undefined) await printError(`${wrapped(withoutControls(answer.note), 0)}\n`);
    if (answer.models.length === 0) return await print("Nothing was found.\n");
    const rows = answer.models.map((model) => [
      model.name,
      model.kind,
      model.quantization || "-",
      model.downloads ? humanCount(model.downloads) : "-",
      model.devices?.join(" ") || "-",
    ]);
    const remarks = answer.models.map((model) => [
      ...(model.pulled ? ["pulled"] : []),
      ...(model.gated ? ["gated: its terms must be accepted on the hub, and HF_TOKEN set"] : []),
      ...(model.remarks ?? []),
    ]);
    const header = ["NAME", "KIND", "WEIGHTS", "DOWNLOADS", "RUNS ON"];
    await print(
      table(
        header,
        rows,
        remarks.map((told) => told.join("; ")),
      ),
    );
    if (answer.has_more) await printError(more(answer));
  } finally {
    await client.close();
  }
}

function more({ offset, models, total }: SearchAnswer): string {
  const next = offset + models.length;
  return `${next} of ${total > next ? total : "more"}; the next ones: --offset ${next}\n`;
}
