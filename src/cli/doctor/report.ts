/** What doctor found as JSON, fit to be sent to somebody: machines and versions, nobody's names, folders or addresses. */
import { homedir, hostname } from "node:os";
import type { DeviceInfo } from "../../core/request.ts";
import { version } from "../../version.ts";
import { openvino } from "./engine.ts";
import type { Finding } from "./finding.ts";
import type { System } from "./system.ts";

export interface Examination {
  readonly system: System;
  readonly findings: readonly Finding[];
  readonly exitCode: number;
}

/** The whole examination; counts of bytes and milliseconds say so in their names. */
export function report({ system, findings, exitCode }: Examination): unknown {
  const personal = personalWords(system);
  const clean = (text: string): string => withoutPersonal(text, personal);
  return {
    report_version: 1,
    npu_proxy: version,
    openvino,
    bun: Bun.version,
    platform: `${system.platform}-${process.arch}`,
    kernel: system.files.text("/proc/sys/kernel/osrelease"),
    npu_emulation: system.emulateNpu,
    exit_code: exitCode,
    devices: system.devices.map(deviceReport),
    findings: findings.map(({ found, advice, ...rest }) => ({
      ...rest,
      found: clean(found),
      ...(advice !== undefined && { advice: clean(advice) }),
    })),
  };
}

function deviceReport(device: DeviceInfo) {
  return {
    name: device.name,
    full_name: device.fullName,
    emulated: device.emulated,
    architecture: device.architecture,
    generation: device.generation,
    driver: device.driver,
    firmware: device.firmware,
    memory_bytes: device.memoryBytes,
    precisions: device.precisions,
    temperature_celsius: device.temperature,
    power_watts: device.power,
  };
}

/** What names this machine or its user; words of the system itself ("root") name nobody. */
function personalWords({ user }: System): readonly string[] {
  const ofEverybody = ["root", "localhost", "user", ""];
  return [homedir(), hostname(), user.name].filter((word) => word.length > 1 && !ofEverybody.includes(word));
}

/** Folders of the system that findings name, the same on every machine. */
const SYSTEM_PATH = /^\/(dev|sys|proc|lib|lib64|usr|etc|run)\//;

/** Findings are written without any of these; what an error's message says nobody knows beforehand. */
function withoutPersonal(text: string, words: readonly string[]): string {
  return words
    .reduce((rest, word) => rest.replaceAll(word, "…"), text)
    .replace(/(?<![\w:/.])(?:\/[\w.@+~-]+){2,}\/?/g, (path) => (SYSTEM_PATH.test(path) ? path : "…"))
    .replace(/\b[A-Za-z]:\\\S+/g, "…")
    .replace(/\b(?:\d{1,3}\.){3}\d{1,3}\b/g, "…");
}
