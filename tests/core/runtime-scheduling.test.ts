/** The runtime with its scheduler: what is loaded, what waits, what gives way, and for how long. */
import { describe, expect, test } from "bun:test";
import { failure } from "../support/failure.ts";
import { host, MODEL, never, request, text } from "../support/scripted-engines.ts";

const OTHER = { ...MODEL, name: "other:latest", digest: "2".repeat(64) };
const other = { ...request, model: "other" };
const small = { maxLoaded: 1 };

describe("keep-alive", () => {
  test("a model is unloaded so long after its last request, and not before", async () => {
    const { runtime, time, closed } = host(["CPU"], {}, 1, { keepAliveMs: 1000 });
    await text((await runtime.generate(request, never)).events);
    expect(runtime.placements()[0]?.expiresAt).toEqual(new Date(1000));
    await time.pass(999);
    expect(closed).toEqual([]);
    await time.pass(1);
    expect([closed, runtime.placements()]).toEqual([["CPU"], []]);
  });

  test("a request's own wins, for ever and at once", async () => {
    const { runtime, time, closed } = host(["CPU"], {});
    await text((await runtime.generate({ ...request, keepAliveMs: Number.POSITIVE_INFINITY }, never)).events);
    await time.pass(1e7);
    expect([closed, runtime.placements()[0]?.expiresAt]).toEqual([[], undefined]);
    await text((await runtime.generate({ ...request, keepAliveMs: 0 }, never)).events);
    await Bun.sleep(0);
    expect(closed).toEqual(["CPU"]);
  });

  test("a pinned model stays", async () => {
    const { runtime, time, closed } = host(["CPU"], {}, 1, { pinned: ["demo"] });
    await text((await runtime.generate({ ...request, keepAliveMs: 0 }, never)).events);
    await time.pass(1e7);
    expect([closed, runtime.placements()[0]?.pinned]).toEqual([[], true]);
  });

  test("load and unload by name", async () => {
    const { runtime, closed, loads } = host(["CPU"], {});
    expect((await runtime.load({ model: "demo" }, never)).model).toEqual(MODEL);
    expect(await runtime.load({ model: "demo" }, never)).toEqual({ model: MODEL, loadNs: 0 });
    await runtime.unload({ model: "demo" });
    await Bun.sleep(0);
    expect([loads, closed]).toEqual([["CPU"], ["CPU"]]);
  });
});

describe("several models", () => {
  test("the idle one gives way where only one may be loaded; a busy one first finishes", async () => {
    const { runtime, time, loads, closed, shelf } = host(["CPU"], {}, 1, small);
    shelf.models = [MODEL, OTHER];
    await text((await runtime.generate(request, never)).events);
    const busy = await runtime.generate(other, never);
    expect([loads, closed]).toEqual([["CPU", "other:latest CPU"], ["CPU"]]);
    const waiting = runtime.generate(request, never);
    await time.pass(10);
    expect(loads).toHaveLength(2);
    expect(await text(busy.events)).toBe("CPU");
    expect(await text((await waiting).events)).toBe("CPU");
    expect(loads).toEqual(["CPU", "other:latest CPU", "CPU"]);
  });

  test("an NPU changes its model behind the back of a request that the next device serves", async () => {
    const { runtime, time, loads, shelf } = host(["CPU", "NPU"], {});
    shelf.models = [MODEL, OTHER];
    await text((await runtime.generate(request, never)).events);
    const meanwhile = await runtime.generate(other, never);
    expect([meanwhile.device.name, meanwhile.routed.name, meanwhile.reason]).toEqual(["CPU", "NPU", "npu_busy"]);
    await text(meanwhile.events);
    await time.pass(10);
    expect(loads.sort()).toEqual(["NPU", "other:latest CPU", "other:latest NPU"]);
    const then = await runtime.generate(other, never);
    expect([then.device.name, then.reason]).toEqual(["NPU", "within_npu_limit"]);
    await text(then.events);
  });

  test("where the NPU is the only device its models take turns and nobody is lost", async () => {
    const { runtime, time, loads, shelf } = host(["NPU"], {}, 1, {});
    shelf.models = [MODEL, OTHER];
    const answers = Array.from({ length: 6 }, async (_, n) => {
      const answer = await runtime.generate(n % 2 ? other : request, never);
      return await text(answer.events);
    });
    await time.pass(1000);
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 6 }, () => "NPU"));
    expect(loads.length).toBeGreaterThan(1);
  });
});

describe("bounds", () => {
  test("more than may wait are refused when they are read, with a time to come back", async () => {
    const { runtime } = host(["NPU"], { NPU: ["hang", "hang", "hang"] }, 1, { maxQueue: 2 });
    const left = new AbortController();
    const ask = () => runtime.generate(request, left.signal).catch(() => "gone");
    const asked = [ask()];
    await Bun.sleep(1);
    asked.push(ask(), ask());
    await Bun.sleep(1);
    expect(runtime.state()).toMatchObject({ waiting: 2, running: 1, maxQueue: 2 });
    expect(() => runtime.admit("demo")).toThrow(expect.objectContaining({ code: "queue_full", retryAfterMs: 1000 }));
    expect(await failure(runtime.generate(request, never))).toMatchObject({ code: "queue_full" });
    left.abort();
    expect(await Promise.all(asked)).toEqual(["gone", "gone", "gone"]);
    runtime.admit("demo").release();
    expect(runtime.state()).toMatchObject({ waiting: 0, running: 0 });
  });

  test("one model's full queue is not another's", async () => {
    const { runtime, shelf } = host(["CPU"], { CPU: ["hang", "hang"] }, 1, { maxQueue: 1, parallel: 1 });
    shelf.models = [MODEL, OTHER];
    const left = new AbortController();
    const ask = () => runtime.generate(request, left.signal).catch(() => "gone");
    const first = ask();
    await Bun.sleep(1);
    const second = ask();
    await Bun.sleep(1);
    expect(() => runtime.admit("Demo@cpu")).toThrow(expect.objectContaining({ code: "queue_full" }));
    runtime.admit("other").release();
    left.abort();
    expect(await Promise.all([first, second])).toEqual(["gone", "gone"]);
  });

  test("who waits too long is told so", async () => {
    const { runtime, time } = host(["NPU"], { NPU: ["hang"] });
    const left = new AbortController();
    const hanging = runtime.generate({ ...request, timeoutMs: 10 ** 7 }, left.signal).catch(() => undefined);
    await Bun.sleep(1);
    const late = failure(runtime.generate(request, never));
    await time.pass(600_000);
    expect(await late).toMatchObject({ code: "queue_timeout" });
    left.abort();
    await hanging;
  });

  test("an answer that takes longer than it may ends, and goes to no other device", async () => {
    const { runtime, time, loads } = host(["CPU", "NPU"], { NPU: ["hang", "hang"] });
    const late = failure(runtime.generate(request, never));
    await time.pass(180_000);
    expect(await late).toMatchObject({ code: "inference_timeout", message: expect.stringContaining("180 s") });
    const impatient = failure(runtime.generate({ ...request, timeoutMs: 500 }, never));
    await time.pass(500);
    expect(await impatient).toMatchObject({ code: "inference_timeout", message: expect.stringContaining("0.5 s") });
    expect([loads, runtime.state().running]).toEqual([["NPU"], 0]);
  });

  test("a stream that stands still between two tokens ends", async () => {
    const { runtime, time, cancelled } = host(["CPU"], { CPU: [{ after: "half", failing: "never" }] });
    const answer = await runtime.generate({ ...request, stream: true }, never);
    const said = failure(text(answer.events));
    await Bun.sleep(0);
    await time.pass(200_000);
    expect([await said, cancelled]).toMatchObject([{ code: "token_timeout" }, ["CPU"]]);
  });

  test("a stream's headers leave after 30 s, and its error then comes in the stream", async () => {
    const { runtime, time } = host(["CPU"], { CPU: ["hang"] });
    const soon = runtime.generate({ ...request, stream: true }, never);
    await time.pass(30_000);
    const answer = await soon;
    expect([answer.device.name, answer.loadNs]).toEqual(["CPU", 0]);
    const said = failure(text(answer.events));
    await time.pass(150_000);
    expect(await said).toMatchObject({ code: "inference_timeout" });
  });

  test("an answer that is complete and not read holds no place", async () => {
    const { runtime } = host(["CPU"], { CPU: ["done", "done"] }, 1, { parallel: 1 });
    const [first, second] = await Promise.all([runtime.generate(request, never), runtime.generate(request, never)]);
    expect(runtime.state().running).toBe(0);
    expect([await text(second.events), await text(first.events)]).toEqual(["CPU", "CPU"]);
  });

  test("an answer has the room that its KV cache has", async () => {
    const memory = { kvBytes: 96 * 1024 * 1.25, limitBytes: 0 };
    const { runtime, plans, asked, shelf } = host(["CPU"], {}, 40, { memory });
    shelf.models = [{ ...MODEL, contextLength: 1000, kvValuesPerToken: 1024 }];
    await text((await runtime.generate({ ...request, sampling: { maxTokens: 500 } }, never)).events);
    expect([plans[0]?.kvTokens, asked]).toEqual([96, [56]]);
  });
});

describe("failures", () => {
  test("a placement that keeps failing is left alone, then tried with one request", async () => {
    const { runtime, time, loads } = host(["CPU", "NPU"], { "load NPU": Array(3).fill("model_not_loaded") });
    const where = async () => {
      const answer = await runtime.generate(request, never);
      await text(answer.events);
      return [answer.device.name, answer.reason];
    };
    for (let i = 0; i < 3; i++) {
      expect(await Promise.all([where(), time.pass(5000)])).toMatchObject([["CPU", "npu_unavailable"], undefined]);
    }
    expect(await where()).toEqual(["CPU", "circuit_open"]);
    expect(runtime.state().openCircuits).toEqual([{ model: "demo:latest", device: "NPU", until: expect.any(Date) }]);
    expect(loads.filter((name) => name === "NPU")).toHaveLength(3);
    await time.pass(60_000);
    expect(await Promise.all([where(), time.pass(60_000)])).toMatchObject([["NPU", "within_npu_limit"], undefined]);
    expect(runtime.state().openCircuits).toEqual([]);
  });

  test("a model that answers wrongly on a device is not tried there again", async () => {
    const { runtime, loads } = host(["CPU", "NPU"], { "load NPU": ["model_unfit"] });
    for (let i = 0; i < 2; i++) await text((await runtime.generate(request, never)).events);
    expect(
      (await runtime.explain(request, never)).candidates.map(({ device, reason }) => [device.name, reason]),
    ).toEqual([["CPU", "model_unfit"]]);
    expect(loads).toEqual(["NPU", "CPU"]);
  });

  test("an answer that is sent whole starts again elsewhere even after its first token", async () => {
    const { runtime } = host(["CPU", "NPU"], { NPU: [{ after: "half", failing: "runner_crashed" }] });
    const answer = await runtime.generate({ ...request, stream: false }, never);
    expect([answer.device.name, await text(answer.events)]).toEqual(["CPU", "CPU"]);
  });

  test("a lost device: the request goes on elsewhere and the drivers are asked again", async () => {
    const { runtime, probes } = host(["CPU", "NPU"], { NPU: ["device_lost"] });
    const answer = await runtime.generate(request, never);
    expect([answer.device.name, await text(answer.events), probes.count]).toEqual(["CPU", "CPU", 2]);
  });

  test("out of memory under a request: fewer at once, and the request goes on", async () => {
    const { runtime } = host(["CPU"], { CPU: ["insufficient_memory", "answer"] }, 1, { parallel: 8 });
    expect(await text((await runtime.generate(request, never)).events)).toBe("CPU");
    expect(runtime.placements()[0]?.parallel).toBe(4);
  });
});

describe("memory", () => {
  test("what does not fit is refused with the numbers, or goes where it does", async () => {
    const { runtime, memory, shelf } = host(["CPU"], {});
    shelf.models = [{ ...MODEL, size: 4 * 2 ** 30 }];
    memory.availableBytes = 2 ** 30;
    expect(await failure(runtime.generate(request, never))).toMatchObject({
      code: "insufficient_memory",
      message: expect.stringMatching(/needs [\d.]+ GiB .* 1\.0 GiB are available/),
    });
  });

  test("pressure is watched while anything is loaded: what is idle goes", async () => {
    const { runtime, memory, time, closed } = host(["CPU"], {});
    await text((await runtime.generate(request, never)).events);
    memory.availableBytes = 100 * 2 ** 20;
    await time.pass(1000);
    expect([runtime.state().pressure, closed]).toEqual(["critical", ["CPU"]]);
  });
});

describe("warming up", () => {
  const options = { models: ["demo", "other@cpu", "late"], skip: ["late"], budgetMs: 1000, require: false };

  test("not ready before it is done; what failed is told and serves nobody worse", async () => {
    const { runtime, shelf } = host(["CPU", "NPU"], { "load CPU": ["load_timeout"] });
    shelf.models = [MODEL, OTHER];
    const warm = runtime.warmUp(options, never);
    expect(runtime.state().notReady).toEqual(["warming up"]);
    await warm;
    expect(runtime.state()).toMatchObject({
      notReady: [],
      warmUps: [
        { model: "demo", device: "NPU", state: "ready" },
        { model: "other@cpu", state: "failed", reason: "scripted" },
        { model: "late", state: "skipped" },
      ],
      warmUpFailures: 1,
    });
  });

  test("what is required and cannot be loaded is an error", async () => {
    const { runtime } = host(["CPU"], { "load CPU": ["model_invalid"] });
    expect(await failure(runtime.warmUp({ ...options, require: true }, never))).toMatchObject({
      code: "model_invalid",
    });
  });
});

test("measured speeds: the policy latency chooses by them", async () => {
  const { runtime, records } = host(["CPU", "NPU"], {}, 1, {
    route: {
      device: "auto",
      preferred: "NPU",
      fallback: "auto",
      policy: "latency",
      npuQueue: 8,
      limits: { tokenLimit: 50, maxPromptTokens: 60, minResponseTokens: 16, maxOutput: 20 },
    },
  });
  const speed = (tokensPerSecond: number) => ({ promptTokensPerSecond: 100, tokensPerSecond, samples: 3 });
  records.keepSpeed({ digest: MODEL.digest, device: "NPU" }, speed(5));
  records.keepSpeed({ digest: MODEL.digest, device: "CPU" }, speed(500));
  const answer = await runtime.generate(request, never);
  expect([answer.device.name, answer.reason]).toEqual(["CPU", "fastest"]);
});
