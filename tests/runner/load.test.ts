/** Loads in real runners: what they learn, what they refuse, and what becomes of a runner whose device is lost. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Model } from "../../src/core/model.ts";
import type { Engine } from "../../src/core/ports.ts";
import type { DeviceInfo, GenerateEvent } from "../../src/core/request.ts";
import type { LoadPlan } from "../../src/core/routing/limits.ts";
import { createEngineHost, type RunnerHost } from "../../src/runner/host.ts";
import { isAlive, until } from "../support/daemon.ts";
import { DEMO, temporaryFolder } from "../support/demo.ts";
import { MODEL } from "../support/scripted-engines.ts";
import { ModelsFolder } from "./broken-demo.ts";

const MAIN = join(import.meta.dir, "..", "..", "src", "main.ts");
const never = new AbortController().signal;
const CPU: DeviceInfo = { name: "CPU", fullName: "CPU", emulated: false };
const NPU: DeviceInfo = { name: "NPU", fullName: "NPU (emulated on CPU)", emulated: true };
const onCpu: LoadPlan = { shape: { maxPromptTokens: 511, contextLength: 512 }, kvTokens: 4096 };
const onNpu: LoadPlan = { shape: { maxPromptTokens: 256, contextLength: 319 }, kvTokens: undefined };
const demo: Model = { ...MODEL, directory: DEMO, digest: "d".repeat(64) };

/** What was logged: level, message, fields. */
type Line = readonly [string, string, Readonly<Record<string, unknown>>];

function host(cacheDirectory: string, lines: Line[] = [], command = [process.execPath, MAIN]): RunnerHost {
  return createEngineHost({
    command,
    observer: { log: (level, message, fields = {}) => void lines.push([level, message, fields]) },
    limits: { loadTimeoutMs: 120_000, inferenceTimeoutMs: 60_000 },
    emulateNpu: true,
    runtimeDirectory: process.env["NPU_PROXY_RUNTIME_DIR"],
    cacheDirectory,
  });
}

async function answer(runners: RunnerHost, engine: Engine, model: Model): Promise<string> {
  const messages = [{ role: "user", content: "What is the capital of France?" }] as const;
  const prompt = await runners.encode(model, { kind: "chat", messages }, never);
  let text = "";
  for await (const event of engine.generate(prompt, { temperature: 0, maxTokens: 32 }, never))
    if (event.type === "delta") text += event.text;
  return text;
}

describe("a load-time probe", () => {
  const folder = temporaryFolder();
  const cache = join(folder.path, "cache");
  const notes = join(cache, "first-token");
  const lines: Line[] = [];
  let runners: RunnerHost;
  beforeAll(() => {
    runners = host(cache, lines);
  });
  afterAll(async () => {
    await runners.close();
    folder[Symbol.dispose]();
  });

  test("keeps the CPU's first token, and the NPU's path says the same", async () => {
    const cpu = await runners.load(demo, CPU, onCpu, never);
    expect(await answer(runners, cpu, demo)).toContain("Paris");
    await until(() => cpu.stats !== undefined);
    expect(cpu.stats?.maxBlocks).toBe(4096 / 32);
    await cpu.close();
    const kept = readdirSync(notes);
    expect(kept).toEqual([demo.digest.slice(0, 32)]);
    expect(readFileSync(join(notes, kept[0] ?? ""), "utf8")).toBe(cpu.info.firstToken ?? "?");
    const npu = await runners.load(demo, NPU, onNpu, never);
    expect(await answer(runners, npu, demo)).toContain("Paris");
    await npu.close();
    expect(lines.filter(([level]) => level !== "info" && level !== "debug")).toEqual([]);
  }, 60_000);

  test("refuses a model that begins otherwise than on the CPU, and leaves no process", async () => {
    const other: Model = { ...demo, name: "other:latest", digest: "e".repeat(64) };
    mkdirSync(notes, { recursive: true });
    writeFileSync(join(notes, other.digest.slice(0, 32)), " elephant");
    await expect(runners.load(other, NPU, onNpu, never)).rejects.toMatchObject({
      code: "model_unfit",
      message: expect.stringMatching(/answers wrongly on NPU: .* where the CPU says " elephant"/),
    });
    const again = await runners.load(other, CPU, onCpu, never); // the CPU is nobody's judge but its own
    await again.close();
  }, 60_000);

  test("refuses a model whose weights are no numbers", async () => {
    const models = new ModelsFolder(join(folder.path, "models"));
    models.poisoned("nan");
    const poisoned: Model = {
      ...demo,
      name: "nan:latest",
      directory: join(models.path, "nan"),
      digest: "f".repeat(64),
    };
    await expect(runners.load(poisoned, CPU, onCpu, never)).rejects.toMatchObject({
      code: "model_unfit",
      message: expect.stringMatching(/answers wrongly on CPU: its probabilities are no numbers/),
    });
    expect(readdirSync(notes)).not.toContain(poisoned.digest.slice(0, 32));
  }, 60_000);

  test("a placement with hardly any cache is measured with what there is", async () => {
    const engine = await runners.load({ ...demo, digest: "a".repeat(64) }, CPU, { ...onCpu, kvTokens: 64 }, never);
    expect(await answer(runners, engine, demo)).toContain("Paris");
    await engine.close();
    expect(engine.info.warmUpError).toBeUndefined();
  }, 60_000);

  test("a family that is known to be wrong on this NPU is not even tried", async () => {
    const lunarLake: DeviceInfo = { name: "NPU", fullName: "Intel(R) AI Boost", emulated: false, architecture: "4000" };
    const before = lines.length;
    await expect(runners.load({ ...demo, family: "lfm2" }, lunarLake, onNpu, never)).rejects.toMatchObject({
      code: "model_unfit",
      message: expect.stringMatching(/'demo:latest' is not loaded on NPU: LFM2/),
    });
    expect(lines.length).toBe(before);
  });
});

describe("a runner", () => {
  test("whose warm-up failed serves; that is a warning, and it is measured again next time", async () => {
    using folder = temporaryFolder();
    const lines: Line[] = [];
    const runners = host(folder.path, lines, [process.execPath, join(import.meta.dir, "scripted-runner.ts")]);
    await (await runners.load(demo, CPU, onCpu, never)).close();
    const warnings = lines.filter(([level]) => level === "warn");
    expect(warnings).toMatchObject([
      ["warn", expect.stringMatching(/warm-up/), { device: "CPU", detail: "Too slow." }],
    ]);
    expect(existsSync(join(folder.path, "prefill"))).toBe(false);
    await runners.close();
  }, 30_000);

  test("whose device is lost: what it said before comes, then that error, and the engine is over", async () => {
    using folder = temporaryFolder();
    const runners = host(folder.path, [], [process.execPath, join(import.meta.dir, "scripted-runner.ts")]);
    const engine = await runners.load(demo, CPU, onCpu, never);
    const ask = () => engine.generate({ tokens: 1, ids: "" }, { maxTokens: 9 }, never);
    const first: GenerateEvent[] = [];
    for await (const event of ask()) first.push(event);
    expect(first.map(({ type }) => type)).toEqual(["delta", "done"]);
    let text = "";
    const second = (async () => {
      for await (const event of ask()) if (event.type === "delta") text += event.text;
    })();
    await expect(second).rejects.toMatchObject({ code: "device_lost" });
    expect(text).toBe("half");
    expect(await engine.closed).toMatchObject({ code: "device_lost", message: "The device was lost." });
    await runners.close();
  }, 30_000);

  test("of a load that is cancelled is ended", async () => {
    using folder = temporaryFolder();
    const silent = "process.on('message', () => undefined); process.send({ ev: 'started', pid: process.pid })";
    const lines: Line[] = [];
    const runners = host(folder.path, lines, [process.execPath, "-e", `console.error(process.pid); ${silent}`]);
    const leaving = new AbortController();
    const load = runners.load(demo, CPU, onCpu, leaving.signal);
    const pid = () => Number(lines.find(([, message]) => message === "runner stderr")?.[2]["pid"] ?? 0);
    await until(() => pid() > 0);
    expect(isAlive(pid())).toBe(true);
    leaving.abort();
    await expect(load).rejects.toMatchObject({ code: "client_closed" });
    await until(() => !isAlive(pid()));
  }, 30_000);
});
