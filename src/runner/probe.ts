/** Which devices there are: each kind is asked for by a process of its own, so that a defective driver costs its own alone. */
import { asProxyError, ProxyError } from "../core/errors.ts";
import type { Observer } from "../core/ports.ts";
import type { DeviceClass, DeviceInfo } from "../core/request.ts";
import { ask } from "./ask.ts";
import type { RunnerConnection } from "./connection.ts";

export interface ProbeOptions {
  /** Starts a runner. */
  start(): Promise<RunnerConnection>;
  readonly emulateNpu: boolean;
  readonly observer: Observer;
}

/** A kind of device whose driver crashed or did not answer. */
export interface ProbeFailure {
  readonly kind: DeviceClass;
  readonly error: ProxyError;
}

export interface Probe {
  readonly devices: readonly DeviceInfo[];
  readonly failures: readonly ProbeFailure[];
}

/** For a driver to answer; a hanging one is ended then. */
const TIMEOUT_MS = 30_000;

/**
 * The devices of this machine, CPU, GPU and NPU in this order. A kind that fails is left out and told of.
 * @throws ProxyError runtime_*; or where no device is left, what the first kind failed with
 */
export async function probeDevices(options: ProbeOptions, signal: AbortSignal): Promise<Probe> {
  const kinds: readonly DeviceClass[] = options.emulateNpu ? ["CPU", "GPU"] : ["CPU", "GPU", "NPU"];
  const answers = await Promise.all(
    kinds.map(async (kind) => {
      try {
        return { devices: await devicesOf(kind, options, signal) };
      } catch (error) {
        return { failure: { kind, error: asProxyError(error) } };
      }
    }),
  );
  signal.throwIfAborted();
  const failures = answers.flatMap(({ failure }) => failure ?? []);
  const [first] = failures;
  const fatal = failures.find(({ error }) => error.code.startsWith("runtime_"));
  const devices = answers.flatMap((answer) => answer.devices ?? []);
  const reason = fatal ?? (devices.length === 0 ? first : undefined);
  if (reason) throw reason.error;
  for (const { kind, error } of failures)
    options.observer.log("warn", "a driver failed when it was asked for its devices: they are left out", {
      kind,
      code: error.code,
      reason: error.message,
      detail: error.detail,
    });
  const isNpu = ({ name }: DeviceInfo): boolean => name === "NPU"; // an emulated one comes with the CPU
  return { devices: [...devices.filter((device) => !isNpu(device)), ...devices.filter(isNpu)], failures };
}

async function devicesOf(
  kind: DeviceClass,
  { start, emulateNpu }: ProbeOptions,
  signal: AbortSignal,
): Promise<readonly DeviceInfo[]> {
  const late = new ProxyError(
    "load_timeout",
    `The driver of the ${kind} did not answer within ${TIMEOUT_MS / 1000} s. Update it, or restart the machine.`,
  );
  const connection = await start();
  try {
    const message = { op: "devices", kind, emulateNpu } as const;
    return (await ask(connection, message, "devices", TIMEOUT_MS, late, signal)).devices;
  } catch (thrown) {
    const error = asProxyError(thrown);
    if (error.code !== "runner_crashed") throw error;
    throw new ProxyError(
      "device_error",
      `The driver of the ${kind} crashed when it was asked for its devices. Update it.`,
      {
        ...(error.detail !== undefined && { detail: error.detail }),
        cause: error,
      },
    );
  } finally {
    await connection.kill();
  }
}
