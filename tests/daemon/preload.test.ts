/** What a server does before it is ready: preloading, requiring, allow-listing; with real processes. */
import { expect, test } from "bun:test";
import { type Daemon, isAlive, startDaemon, until } from "../support/daemon.ts";

interface WarmedUp {
  readonly model: string;
  readonly device: string;
  readonly state: string;
  readonly reason: string | null;
}

const start = (settings: Record<string, string>): Promise<Daemon> =>
  startDaemon({ NPU_PROXY_DEVICE: "CPU", ...settings });

const ready = (daemon: Daemon): Promise<Response> => fetch(`${daemon.url}/health/ready`);

async function warmUp(daemon: Daemon): Promise<{ models: WarmedUp[]; failures: number }> {
  const health = (await (await fetch(`${daemon.url}/health`)).json()) as { warmup: never };
  return health.warmup;
}

const ask = (daemon: Daemon, model: string): Promise<Response> =>
  fetch(`${daemon.url}/api/generate`, {
    method: "POST",
    body: JSON.stringify({ model, prompt: "What is the capital of France?", stream: false }),
  });

test("a model to preload: alive at once, ready when it is loaded, and nobody waits for it then", async () => {
  await using daemon = await start({ NPU_PROXY_PRELOAD: "demo" });
  // Loading starts three processes, one after the other; this is asked as soon as the first is being started.
  const early = await ready(daemon);
  expect(early.status).toBe(503);
  expect(await early.json()).toMatchObject({ ready: false, reasons: [expect.any(String)] });
  expect((await fetch(`${daemon.url}/health/live`)).status).toBe(200);
  await until(async () => (await ready(daemon)).status === 200);
  expect(await warmUp(daemon)).toMatchObject({
    models: [{ model: "demo", device: "CPU", state: "ready", reason: null }],
    failures: 0,
  });
  const { response, load_duration } = (await (await ask(daemon, "demo")).json()) as Record<string, unknown>;
  expect(response).toContain("Paris");
  expect(load_duration).toBe(0);
}, 60_000);

test("a required model that is not there: exit code 1, and the reason on stderr", async () => {
  await using daemon = await start({ NPU_PROXY_PRELOAD: "demo,nope", NPU_PROXY_REQUIRE: "on" });
  expect(await daemon.exited).toBe(1);
  await until(() => /^npu-proxy: model 'nope' not found.* \(model_not_found\)$/m.test(daemon.log()));
  expect(daemon.runners()).toEqual([]);
}, 60_000);

test("one that is not required is told, and the others are served", async () => {
  await using daemon = await start({ NPU_PROXY_PRELOAD: "nope,demo,other", NPU_PROXY_SKIP_WARM_UP: "other" });
  await until(async () => (await ready(daemon)).status === 200);
  expect(await warmUp(daemon)).toMatchObject({
    models: [
      { model: "nope", state: "failed", reason: expect.stringContaining("not found") },
      { model: "demo", state: "ready" },
      { model: "other", state: "skipped" },
    ],
    failures: 1,
  });
  expect(await (await ask(daemon, "demo")).json()).toMatchObject({ response: expect.stringContaining("Paris") });
}, 60_000);

test("SIGTERM while a model is being loaded ahead: exit code 0, no runner left", async () => {
  await using daemon = await start({ NPU_PROXY_PRELOAD: "demo" });
  await until(() => daemon.runners().length > 0);
  const runners = daemon.runners();
  daemon.kill("SIGTERM");
  expect(await daemon.exited).toBe(0);
  expect(runners.filter(isAlive)).toEqual([]);
}, 60_000);

test("--allow-models: the others are neither listed nor served", async () => {
  await using daemon = await start({ NPU_PROXY_ALLOW_MODELS: "another" });
  expect(await (await fetch(`${daemon.url}/api/tags`)).json()).toEqual({ models: [] });
  expect(await (await fetch(`${daemon.url}/v1/models`)).json()).toMatchObject({ data: [] });
  const refused = await ask(daemon, "demo");
  expect(refused.status).toBe(404);
  expect(await refused.json()).toEqual({
    error: "model 'demo' not found: this server serves only another:latest (--allow-models)",
  });
}, 60_000);
