/** `npu-proxy ps`: what the running server has loaded. */
import type { Config } from "../config.ts";
import type { PsAnswer } from "./answers.ts";
import { connectServer } from "./connect.ts";
import { print } from "./output.ts";
import { humanAge, humanSize, table } from "./table.ts";

/** Prints the models that the running server has loaded as a table, or the server's JSON. @throws ProxyError what the server tells */
export async function ps(config: Config, options: { readonly json: boolean }, signal: AbortSignal): Promise<void> {
  const client = await connectServer(config, signal);
  if (!client)
    return await print(options.json ? '{\n  "models": []\n}\n' : "No server runs. Start one with: npu-proxy serve\n");
  const answer = await client.ps(signal);
  if (options.json) return await print(`${JSON.stringify(answer, null, 2)}\n`);
  const now = new Date();
  const rows = answer.models.map((model) => [
    model.name,
    model.digest.slice(0, 12),
    humanSize(model.size),
    [model.processor ?? ((model.size_vram ?? 0) > 0 ? "GPU" : "CPU"), ...(model.tuning ?? [])].join(", "),
    model.context_length === undefined ? "" : String(model.context_length),
    until(model, now),
  ]);
  await print(table(["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"], rows));
}

/** How long it stays: a model that has work stays for that at least. */
function until({ phase, running = 0, waiting = 0, expires_at }: PsAnswer["models"][number], now: Date): string {
  if (phase === "draining") return "stopping";
  if (running + waiting > 0) return "in use";
  return expires_at ? humanAge(new Date(expires_at), now) : "forever";
}
