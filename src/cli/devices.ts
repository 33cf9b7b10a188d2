/** `npu-proxy devices`: what this machine can compute on. */
import type { Config } from "../config.ts";
import { ProxyError } from "../core/errors.ts";
import { openClient } from "./connect.ts";
import { print } from "./output.ts";
import { table } from "./table.ts";

/** Prints the devices as a table, or the server's JSON. @throws ProxyError what the server tells */
export async function devices(config: Config, options: { readonly json: boolean }, signal: AbortSignal): Promise<void> {
  const client = await openClient(config, signal);
  try {
    const answer = await client.devices(signal);
    if (options.json) return await print(`${JSON.stringify(answer, null, 2)}\n`);
    if (answer.device_probe_error) throw new ProxyError("device_error", answer.device_probe_error);
    const rows = answer.devices.map((device) => [
      device.name,
      device.full_name,
      device.driver || "-",
      device.architecture || "-",
      device.precisions?.join(" ") || "-",
    ]);
    await print(table(["NAME", "FULL NAME", "DRIVER", "ARCHITECTURE", "PRECISIONS"], rows));
  } finally {
    await client.close();
  }
}
