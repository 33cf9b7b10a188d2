/** `npu-proxy doctor`: what this machine has, what is wrong with it, and what to do. */
import { resolve } from "node:path";
import type { Config } from "../config.ts";
import { ProxyError } from "../core/errors.ts";
import type { Model } from "../core/model.ts";
import type { DeviceInfo } from "../core/request.ts";
import { createLog } from "../log.ts";
import { writeDurable } from "../models/store/durable-file.ts";
import { createMachine } from "../runner/machine.ts";
import { version } from "../version.ts";
import { composeModels, type Models } from "./compose.ts";
import { openvino, type Probed, probeDevices } from "./doctor/engine.ts";
import { type Check, examine, exitCodeOf, type Finding, finding } from "./doctor/finding.ts";
import { inferOn } from "./doctor/inference.ts";
import { portFinding } from "./doctor/port.ts";
import { entry, section, summary } from "./doctor/print.ts";
import { report } from "./doctor/report.ts";
import { diskFindings, memoryFinding } from "./doctor/room.ts";
import { thisSystem } from "./doctor/system.ts";
import { systemChecks } from "./doctor/system-checks.ts";
import { print } from "./output.ts";

export interface DoctorOptions {
  readonly json: boolean;
  /** File for the report. */
  readonly report?: string;
}

/** Of what reads a few files, of the probe (which has deadlines of its own), and of an inference beside its load. */
const QUICK_MS = 15_000;
const PROBE_MS = 120_000;
const INFERENCE_MS = 60_000;

/** Examines this machine, prints what was found and resolves with the exit code. @throws ProxyError storage_failed */
export async function doctor(config: Config, options: DoctorOptions, signal: AbortSignal): Promise<number> {
  const terminal = process.stdout.isTTY === true;
  const findings: Finding[] = [];
  const tell = async (text: string): Promise<void> => {
    if (!options.json) await print(text);
  };
  const show = async (heading: string, found: readonly Finding[]): Promise<void> => {
    findings.push(...found);
    await tell(section(heading, found, terminal));
  };

  const models = composeModels(config, createLog(config.logLevel));
  try {
    await tell(`npu-proxy ${version}, OpenVINO ${openvino}\n`);
    let probed: Probed = { devices: [], findings: [] };
    const failed = await examine(
      {
        id: "devices.probe",
        timeoutMs: PROBE_MS,
        run: async (limit) => {
          probed = await probeDevices(models.engines, limit);
          return [];
        },
      },
      signal,
    );
    const system = thisSystem(config.npuEmulation === "cpu", probed.devices);
    for (const { heading, checks } of systemChecks(system, QUICK_MS)) await show(heading, await all(checks, signal));
    await show("Room and port", await all(roomChecks(config), signal));
    await show("Engine", [...probed.findings, ...failed]);
    if (probed.devices.length > 0) await tell("\nInference with the demo\n");
    for await (const found of inferences(models, config, probed.devices, signal)) {
      findings.push(found);
      await tell(entry(found, terminal));
    }
    const exitCode = exitCodeOf(findings);
    const examination = report({ system, findings, exitCode });
    if (options.json) await print(`${JSON.stringify(examination, null, 2)}\n`);
    await tell(summary(findings, probed.devices));
    if (options.report !== undefined) {
      await keep(options.report, examination);
      await tell(`The report is in ${options.report}; it names neither you nor this machine.\n`);
    }
    return exitCode;
  } finally {
    await models.engines.close();
  }
}

async function all(checks: readonly Check[], signal: AbortSignal): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  for (const check of checks) found.push(...(await examine(check, signal)));
  return found;
}

function roomChecks(config: Config): readonly Check[] {
  return [
    { id: "disk", timeoutMs: QUICK_MS, run: () => diskFindings(config) },
    {
      id: "memory",
      timeoutMs: QUICK_MS,
      run: () => [memoryFinding(createMachine({ memoryLimitBytes: config.memoryLimit * 2 ** 20 }).memory())],
    },
    { id: "port", timeoutMs: QUICK_MS, run: async (limit) => [await portFinding(config, limit)] },
  ];
}

/** One finding for each device; the CPU comes first, for the others' answers to be compared with its own. */
async function* inferences(
  { store, engines }: Models,
  config: Config,
  devices: readonly DeviceInfo[],
  signal: AbortSignal,
): AsyncGenerator<Finding, void> {
  let demo: Model | undefined;
  let expected: string | undefined;
  const ordered = [...devices].sort((a, b) => Number(b.name === "CPU") - Number(a.name === "CPU"));
  for (const device of ordered) {
    const id = `inference.${device.name}`;
    const timeoutMs = config.loadTimeoutMs + INFERENCE_MS;
    const run = async (limit: AbortSignal): Promise<readonly Finding[]> => {
      demo ??= await store.get("demo");
      const { finding: found, first } = await inferOn(engines, demo, device, expected, limit);
      if (device.name === "CPU") expected = first;
      return [found];
    };
    const [found = finding(id, "skipped", "Nothing was found.")] = await examine({ id, timeoutMs, run }, signal);
    yield found;
  }
}

async function keep(file: string, examination: unknown): Promise<void> {
  try {
    await writeDurable(resolve(file), `${JSON.stringify(examination, null, 2)}\n`);
  } catch (error) {
    throw new ProxyError(
      "storage_failed",
      "The report could not be written. Name a file in a folder that you may write.",
      {
        detail: error instanceof Error ? error.message : String(error),
        cause: error,
      },
    );
  }
}
