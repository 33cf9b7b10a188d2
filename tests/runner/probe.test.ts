import { expect, test } from "bun:test";
import { join } from "node:path";
import { RunnerConnection } from "../../src/runner/connection.ts";
import { type Probe, probeDevices } from "../../src/runner/probe.ts";
import { isAlive } from "../support/daemon.ts";
import type { Script } from "./scripted-prober.ts";

const PROBER = join(import.meta.dir, "scripted-prober.ts");

async function probed(scripts: readonly Script[], emulateNpu = false, signal = new AbortController().signal) {
  const logged: string[] = [];
  const started: number[] = [];
  const observer = {
    log: (level: string, message: string) => void (level === "warn" && logged.push(message)),
  };
  const start = async (): Promise<RunnerConnection> => {
    const connection = new RunnerConnection({ command: [process.execPath, PROBER, ...scripts], observer });
    started.push(connection.pid);
    return connection;
  };
  const end = (): void => expect(started.filter(isAlive)).toEqual([]);
  let probe: Probe;
  try {
    probe = await probeDevices({ start, emulateNpu, observer }, signal);
  } finally {
    end();
  }
  return { names: probe.devices.map(({ name }) => name), failures: probe.failures, logged };
}

test("each kind of device is asked for by a process of its own", async () => {
  const { names, failures, logged } = await probed(["CPU=works", "GPU=lacks", "NPU=works"]);
  expect(names).toEqual(["CPU", "NPU"]);
  expect(failures).toEqual([]);
  expect(logged).toEqual([]);
});

test("a driver that crashes takes its own devices and no others, and is told of", async () => {
  const { names, failures, logged } = await probed(["CPU=works", "GPU=crashes", "NPU=works"]);
  expect(names).toEqual(["CPU", "NPU"]);
  expect(failures).toEqual([
    {
      kind: "GPU",
      error: expect.objectContaining({
        code: "device_error",
        message: "The driver of the GPU crashed when it was asked for its devices. Update it.",
      }),
    },
  ]);
  expect(logged).toHaveLength(1);
});

test("a driver that never answers keeps nobody: whoever waits may leave", async () => {
  const leaving = new AbortController();
  const waiting = probed(["CPU=works", "GPU=works", "NPU=hangs"], false, leaving.signal);
  leaving.abort(new Error("gone"));
  await expect(waiting).rejects.toThrow("gone");
});

test("where no device is left, or the libraries are not the right ones, there is an error", async () => {
  const all = probed(["CPU=crashes", "GPU=crashes", "NPU=crashes"]);
  await expect(all).rejects.toMatchObject({ code: "device_error", message: expect.stringContaining("of the CPU") });
  const none = probed(["CPU=crashes", "GPU=lacks", "NPU=lacks"]);
  await expect(none).rejects.toMatchObject({ code: "device_error" });
  const other = probed(["CPU=works", "GPU=refuses", "NPU=works"]);
  await expect(other).rejects.toMatchObject({ code: "runtime_mismatch" });
});

test("an emulated NPU comes last, and no real one is asked for", async () => {
  const { names } = await probed(["CPU=emulates", "GPU=works", "NPU=crashes"], true);
  expect(names).toEqual(["CPU", "GPU", "NPU"]);
});
