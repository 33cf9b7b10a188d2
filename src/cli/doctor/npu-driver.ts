/** The NPU's driver in user space: loader, driver, compiler, firmware, and whether their version is known to work. */
import { npuDriver } from "../../runner/device-facts.ts";
import { findLibrary } from "../../runner/linux-files.ts";
import { findFirmware, type NpuHardware, npuGeneration } from "../../runner/npu-hardware.ts";
import { type Finding, finding } from "./finding.ts";
import { type System, workingNpu } from "./system.ts";
import { isBelow } from "./version.ts";

const INSTALL = "Install the newest packages of https://github.com/intel/linux-npu-driver/releases";

/** firmware.files, runtime.level_zero, runtime.npu_driver, runtime.npu_compiler, driver.version, for a machine that has an NPU. */
export function npuDriverFindings(system: System, hardware: NpuHardware): readonly Finding[] {
  return [
    firmware(system, hardware),
    library(system, "runtime.level_zero", ["libze_loader.so.1"], "Level Zero's loader", "sudo apt install libze1"),
    userDriver(system),
    // The first is the driver's own; the second OpenVINO's, which it prefers where it is installed (since 2026.2).
    library(
      system,
      "runtime.npu_compiler",
      ["libnpu_driver_compiler.so", "libopenvino_intel_npu_compiler_loader.so"],
      "the NPU's compiler",
      INSTALL,
    ),
    driverVersion(system, hardware),
  ];
}

function firmware({ files }: System, { firmware: family }: NpuHardware): Finding {
  const id = "firmware.files";
  if (!family) return finding(id, "skipped", "This NPU's firmware is not known to this version.");
  const path = findFirmware(files, family);
  if (path) return finding(id, "ok", `${path}.`);
  return finding(id, "problem", `There is no vpu_${family} firmware in /lib/firmware/intel/vpu.`, INSTALL);
}

/** One of several libraries; where the driver answered, one that is not found lies somewhere that is not looked at. */
function library(system: System, id: string, names: readonly string[], what: string, advice: string): Finding {
  const path = names.map((name) => findLibrary(system.files, name)).find((found) => found);
  if (path) return finding(id, "ok", `${path}.`);
  const [name] = names;
  if (workingNpu(system)) return finding(id, "ok", `${name} is in no usual folder, but the NPU answers.`);
  return finding(id, "problem", `${name} (${what}) was not found.`, advice);
}

/** Since 1.16.0 libze_intel_npu.so.1; one of the old name beside it confuses Level Zero's loader (docs/overview.md there). */
function userDriver(system: System): Finding {
  const id = "runtime.npu_driver";
  const stale = findLibrary(system.files, "libze_intel_vpu.so.1");
  const current = findLibrary(system.files, "libze_intel_npu.so.1");
  if (stale && current)
    return finding(
      id,
      "warning",
      `A driver from before 1.16.0 lies beside the present one: ${stale}.`,
      `sudo rm ${stale}*`,
    );
  if (stale) return finding(id, "problem", `The driver is from before 1.16.0: ${stale}.`, INSTALL);
  return library(system, id, ["libze_intel_npu.so.1"], "the NPU's driver", INSTALL);
}

interface KnownVersions {
  readonly below: string;
  readonly status: "warning" | "problem";
  readonly why: string;
}

/**
 * The first that fits. Sources: docs/overview.md of intel/linux-npu-driver (the library's name) and its #63 (LLMs on Lunar
 * Lake); openvinotoolkit/openvino #37264 (1.10.0 wrong in silence, 1.24.0 right with the same OpenVINO); the releases' own
 * tables (1.33.0 was verified with OpenVINO 2026.2, 1.39.1 with 2026.4.1).
 */
const KNOWN_BAD: readonly KnownVersions[] = [
  { below: "1.16.0", status: "problem", why: "is too old: Level Zero's loader looks for the name that 1.16.0 began" },
  { below: "1.24.0", status: "warning", why: "may compute wrongly in silence: 1.24.0 is the first known to be right" },
  { below: "1.33.0", status: "warning", why: "was made for an OpenVINO before 2026.2; this is 2026.4" },
];

function driverVersion({ files }: System, { architecture, firstDriver, pciId }: NpuHardware): Finding {
  const id = "driver.version";
  const version = npuDriver(files);
  if (!version) return finding(id, "skipped", "The version of the NPU's driver cannot be told.");
  if (architecture && firstDriver && isBelow(version, firstDriver))
    return finding(
      id,
      "problem",
      `NPU driver ${version} does not know ${npuGeneration(architecture, pciId)}; ${firstDriver} is the first.`,
      INSTALL,
    );
  const known = KNOWN_BAD.find(({ below }) => isBelow(version, below));
  if (known) return finding(id, known.status, `NPU driver ${version} ${known.why}.`, INSTALL);
  return finding(id, "ok", `NPU driver ${version}; nothing bad is known of it.`);
}
