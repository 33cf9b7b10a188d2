/** What a server remembers of the one before it, with real processes. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { type Daemon, startDaemon, until } from "../support/daemon.ts";
import { temporaryFolder } from "../support/demo.ts";

/** The expected time of an answer on the CPU, in ms; null where nothing was measured. */
async function expectedMs(daemon: Daemon): Promise<number | null> {
  const response = await fetch(`${daemon.url}/api/route`, {
    method: "POST",
    body: JSON.stringify({ model: "demo", prompt: "Hello", options: { num_predict: 10 } }),
  });
  const { devices } = (await response.json()) as { devices: { device: string; expected_ms: number | null }[] };
  return devices.find(({ device }) => device === "CPU")?.expected_ms ?? null;
}

/** Has the demo answer once; it is measured then. */
async function ask(daemon: Daemon): Promise<void> {
  const response = await fetch(`${daemon.url}/api/generate`, {
    method: "POST",
    body: JSON.stringify({ model: "demo", prompt: "What is the capital of France?", stream: false }),
  });
  expect(await response.json()).toMatchObject({ done: true });
  await until(async () => (await expectedMs(daemon)) !== null);
}

test("measured speeds and load times outlive a restart, and kill -9 but for the last seconds", async () => {
  using folder = temporaryFolder();
  const settings = { NPU_PROXY_DEVICE: "CPU", NPU_PROXY_STATE_DIR: join(folder.path, "state") };
  let measured: number;
  let remembered: number | null;
  {
    await using daemon = await startDaemon(settings);
    expect(await expectedMs(daemon)).toBeNull();
    await ask(daemon);
    measured = (await expectedMs(daemon)) ?? Number.NaN;
    daemon.kill("SIGTERM");
    expect(await daemon.exited).toBe(0);
  }
  {
    await using daemon = await startDaemon(settings);
    // The same answer, after the model was loaded again.
    remembered = await expectedMs(daemon);
    expect(remembered).toBeGreaterThan(measured);
    daemon.kill("SIGKILL");
    await daemon.exited;
  }
  await using daemon = await startDaemon(settings);
  expect(await expectedMs(daemon)).toBe(remembered);
  expect(daemon.log()).not.toContain("state set aside");
}, 60_000);

test("without state nothing outlives the server", async () => {
  using folder = temporaryFolder();
  const settings = { NPU_PROXY_DEVICE: "CPU", NPU_PROXY_STATE_DIR: join(folder.path, "state"), NPU_PROXY_STATE: "off" };
  {
    await using daemon = await startDaemon(settings);
    await ask(daemon);
    daemon.kill("SIGTERM");
    await daemon.exited;
  }
  await using daemon = await startDaemon(settings);
  expect(await expectedMs(daemon)).toBeNull();
}, 60_000);
