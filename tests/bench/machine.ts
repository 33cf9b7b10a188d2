/** What the numbers were measured on. */
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { readPins } from "../../build/pins.ts";
import { version } from "../../src/version.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly openvino: string;
  readonly npuProxy: string;
  readonly bun: string;
  /** Load average of the minute before: far from 0, somebody else was measured too. */
  readonly loadBefore: number;
}

export function machine(): Machine {
  return {
    cpu: cpuModel(),
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    openvino: readPins().openvino,
    npuProxy: version,
    bun: Bun.version,
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** A virtual machine may hide the model's name behind a family: both are told then. */
function cpuModel(): string {
  const name = cpus()[0]?.model ?? "unknown";
  const info = readFileSync("/proc/cpuinfo", "utf8");
  const field = (key: string) => new RegExp(`^${key}\\s*:\\s*(.*)$`, "m").exec(info)?.[1] ?? "?";
  return `${name} (family ${field("cpu family")}, model ${field("model")})`;
}
