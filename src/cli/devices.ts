/** `npu-proxy devices`: what this machine can compute on. */
import type { Config } from "../config.ts";
import { ProxyError } from "../core/errors.ts";
import type { DevicesAnswer } from "./answers.ts";
import { openClient } from "./connect.ts";
import { outputWidth, print } from "./output.ts";
import { humanSize, table } from "./table.ts";

export interface DevicesOptions {
  readonly json: boolean;
  /** The drivers are asked again: what is remembered may be of before an update. */
  readonly refresh: boolean;
}

/** Prints the devices as a table, or the server's JSON. @throws ProxyError what the server tells */
export async function devices(config: Config, options: DevicesOptions, signal: AbortSignal): Promise<void> {
  const client = await openClient(config, signal);
  try {
    const answer = await client.devices(signal, options.refresh);
    if (options.json) return await print(`${JSON.stringify(answer, null, 2)}\n`);
    if (answer.device_probe_error) throw new ProxyError("device_error", answer.device_probe_error);
    await print(deviceTable(answer.devices));
  } finally {
    await client.close();
  }
}

type Device = DevicesAnswer["devices"][number];

const HEADER = ["NAME", "FULL NAME", "DRIVER", "ARCHITECTURE", "PRECISIONS"];

/** What does not fit the terminal as columns stands below each device. */
function deviceTable(devices: readonly Device[]): string {
  const rows = devices.map((device) => [
    device.name,
    device.full_name,
    device.driver || "-",
    device.generation ?? (device.architecture?.split(",")[0] || "-"),
    precisions(device) || "-",
  ]);
  const whole = table(HEADER, rows, devices.map(facts));
  const [header = ""] = whole.split("\n", 1);
  const fits = whole.split("\n").every((line) => Bun.stringWidth(line) <= outputWidth());
  if (fits && Bun.stringWidth(header) <= outputWidth()) return whole;
  const remarks = devices.map((device) => [precisions(device), facts(device)].filter(Boolean).join(", "));
  return table(
    HEADER.slice(0, -1),
    rows.map((row) => row.slice(0, -1)),
    remarks,
  );
}

function precisions(device: Device): string {
  return device.precisions?.join(" ") ?? "";
}

/** "32.5 GB, AVX2 AVX512 VNNI, 45 °C". */
function facts(device: Device): string {
  const features = device.architecture?.split(", ").slice(1).join(", ");
  const [firmware] = device.firmware?.split("*") ?? [];
  return [
    device.memory_bytes === undefined ? "" : humanSize(device.memory_bytes),
    features,
    firmware && `firmware of ${firmware}`,
    device.temperature === undefined ? "" : `${device.temperature} °C`,
    device.power === undefined ? "" : `${device.power.toFixed(1)} W`,
  ]
    .filter(Boolean)
    .join(", ");
}
