/** The checks that read the system's files, by their headings. */
import { type Check, type Finding, skipped } from "./finding.ts";
import { gpuFindings } from "./gpu.ts";
import { hardwareFinding, kernelFindings } from "./kernel.ts";
import { npuDriverFindings } from "./npu-driver.ts";
import { platformFindings } from "./platform.ts";
import { npuHardware, type System } from "./system.ts";

const KERNEL_IDS = ["kernel.version", "kernel.module", "device.node", "device.access"];
const DRIVER_IDS = [
  "firmware.files",
  "runtime.level_zero",
  "runtime.npu_driver",
  "runtime.npu_compiler",
  "driver.version",
];

export interface Section {
  readonly heading: string;
  readonly checks: readonly Check[];
}

/** @param timeoutMs of each check */
export function systemChecks(system: System, timeoutMs: number): readonly Section[] {
  const hardware = npuHardware(system);
  const why = system.platform === "linux" ? "There is no Intel NPU here." : "Linux only.";
  const check = (id: string, run: Check["run"]): Check => ({ id, timeoutMs, run });
  const forNpu = (ids: readonly string[], run: () => Promise<readonly Finding[]> | readonly Finding[]): Check =>
    check(ids[0] ?? "hardware.npu", () => (hardware ? run() : skipped(ids, why)));
  return [
    { heading: "System", checks: [check("platform.system", () => platformFindings(system))] },
    {
      heading: "NPU",
      checks: [
        check("hardware.npu", () => [hardwareFinding(system)]),
        forNpu(KERNEL_IDS, () => kernelFindings(system)),
        forNpu(DRIVER_IDS, () => (hardware ? npuDriverFindings(system, hardware) : [])),
      ],
    },
    { heading: "GPU", checks: [check("gpu.node", () => gpuFindings(system))] },
  ];
}
