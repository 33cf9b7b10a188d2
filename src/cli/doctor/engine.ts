/** Whether the native libraries start, and which devices they find. */
import pins from "../../../build/pins.json";
import { asProxyError } from "../../core/errors.ts";
import type { DeviceInfo } from "../../core/request.ts";
import type { RunnerHost } from "../../runner/host.ts";
import { type Finding, finding } from "./finding.ts";

export const openvino: string = pins.openvino;

export interface Probed {
  readonly devices: readonly DeviceInfo[];
  /** runtime.hashes, devices.probe. */
  readonly findings: readonly Finding[];
}

/** Asks runners for the devices: one that answers has compared all libraries with their pinned hashes before. */
export async function probeDevices(engines: Pick<RunnerHost, "probe">, signal: AbortSignal): Promise<Probed> {
  const hashes = "runtime.hashes";
  const probe = "devices.probe";
  const since = Bun.nanoseconds();
  try {
    const { devices, failures } = await engines.probe(signal);
    const names = devices.map(({ name, emulated }) => (emulated ? `${name} (emulated)` : name)).join(", ");
    const failed = failures.map(({ error }) => ` ${error.message}`).join("");
    const right = devices.length > 0 && failures.length === 0;
    const found = finding(probe, right ? "ok" : "problem", `${names || "No device"}.${failed}`);
    return {
      devices,
      findings: [
        finding(hashes, "ok", `The libraries are those of OpenVINO ${openvino}, by their hashes.`),
        { ...found, measured: { probe_ms: Math.round((Bun.nanoseconds() - since) / 1e6) } },
      ],
    };
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, message } = asProxyError(thrown);
    const failed = `${message} (${code})`;
    const findings = code.startsWith("runtime_")
      ? [finding(hashes, "problem", failed), finding(probe, "skipped", "There is nothing to ask with.")]
      : [finding(hashes, "skipped", "The probe ended before it could tell."), finding(probe, "problem", failed)];
    return { devices: [], findings };
  }
}
