/** What becomes of requests for vectors where devices, runners, clients and time fail them. */
import { describe, expect, test } from "bun:test";
import type { EmbedRequest } from "../../src/core/embedding/embedding.ts";
import type { ErrorCode } from "../../src/core/errors.ts";
import { failure } from "../support/failure.ts";
import { EMBEDDER, vectorOf } from "../support/scripted-encoders.ts";
import { request as generation, host, MODEL, never, text } from "../support/scripted-engines.ts";

const request = { id: "req_1", model: "embedder", truncate: true } as const;
const numbered = (count: number): string[] => Array.from({ length: count }, (_, n) => `text ${n}`);
const plain = (vectors: readonly Float32Array[]): number[][] => vectors.map((vector) => [...vector]);

function world(devices: string[] = ["CPU"], settings: Parameters<typeof host>[3] = {}) {
  const made = host(devices, {}, 1, settings);
  made.shelf.models = [MODEL, EMBEDDER];
  const embed = (inputs: EmbedRequest["inputs"], more: Partial<EmbedRequest> = {}, signal = never) =>
    made.runtime.embed({ ...request, ...more, inputs }, signal);
  return { ...made, embed };
}

describe("devices", () => {
  test("the one of the setting, whatever language models prefer; a wish wins", async () => {
    const { embed } = world(["CPU", "GPU", "NPU"], { embedding: { device: "GPU" } });
    expect((await embed(["a"])).device.name).toBe("GPU");
    const wished = await embed(["a"], { device: "CPU" });
    expect([wished.device.name, wished.reason]).toEqual(["CPU", "requested"]);
    expect(plain(wished.vectors)).toEqual([vectorOf("a", "CPU")]);
  });

  test("auto: as language models; not the NPU where the model is unfit for it, or longer than its shape may be", async () => {
    const { embed, shelf } = world(["CPU", "NPU"], { embedding: { device: "auto" } });
    expect(await embed(["a"])).toMatchObject({ device: { name: "NPU" }, reason: "within_npu_limit" });
    shelf.models = [{ ...EMBEDDER, fitness: [{ device: "NPU", fits: false, reason: "its graph" }] }];
    expect(await embed(["b"])).toMatchObject({ device: { name: "CPU" }, reason: "model_unfit" });
    shelf.models = [{ ...EMBEDDER, contextLength: 61 }]; // the NPU's prompts have 60 at most
    expect(await embed(["c"])).toMatchObject({ device: { name: "CPU" }, reason: "model_unfit" });
    expect(await failure(embed(["d"], { device: "NPU" }))).toMatchObject({
      code: "model_unfit",
      message: expect.stringContaining("NPU_PROXY_MAX_PROMPT_LEN"),
    });
  });

  test("an encoder shares the NPU with a language model", async () => {
    const { runtime, embed, closed } = world(["CPU", "NPU"], { embedding: { device: "NPU" } });
    await text((await runtime.generate(generation, never)).events);
    expect((await embed(["a"])).device.name).toBe("NPU");
    const answer = await runtime.generate(generation, never);
    expect([answer.device.name, answer.reason, await text(answer.events)]).toEqual(["NPU", "within_npu_limit", "NPU"]);
    expect([closed, runtime.placements().map(({ parallel }) => parallel)]).toEqual([[], [1, 256]]);
  });

  test("a load that fails moves on to the next one", async () => {
    const { embed, encoders } = world(["CPU", "GPU"]);
    encoders.loadFailures.push("load_timeout");
    const answer = await embed(["a"]);
    expect([answer.device.name, answer.routed.name, plain(answer.vectors)]).toEqual([
      "GPU",
      "CPU",
      [vectorOf("a", "GPU")],
    ]);
  });

  test("where one fails under a request, all its vectors come from the next", async () => {
    const { embed, encoders } = world(["CPU", "GPU"]);
    const inputs = numbered(400);
    encoders.failures.push(undefined, undefined, "device_lost");
    const answer = await embed(inputs);
    expect(plain(answer.vectors)).toEqual(inputs.map((input) => vectorOf(input, "GPU")));
    expect([answer.device.name, answer.cached]).toEqual(["GPU", 0]);
  });
});

describe("a runner that dies", () => {
  test("is started anew, and asked for what it had not answered", async () => {
    const { embed, encoders } = world();
    encoders.held = true;
    const answer = embed(numbered(256));
    await encoders.until(4);
    const [first, second, third] = encoders.open;
    first?.end();
    second?.end();
    third?.end("runner_crashed");
    await encoders.until(2);
    expect(encoders.loads).toHaveLength(2);
    expect(encoders.open.map(({ inputs }) => inputs[0])).toEqual(["text 128", "text 192"]);
    encoders.release();
    expect(plain((await answer).vectors)).toEqual(numbered(256).map((input) => vectorOf(input)));
  });

  test("a second time is the request's error; its circuit opens as for language models", async () => {
    const { embed, encoders, runtime, time } = world();
    for (let i = 0; i < 2; i++) {
      encoders.failures.push("runner_crashed", "runner_crashed");
      const told = failure(embed([`text ${i}`]));
      await time.pass(4000); // it is not started anew at once
      expect(await told).toMatchObject({ code: "runner_crashed" });
    }
    expect(runtime.state().openCircuits).toMatchObject([{ model: "embedder:latest", device: "CPU" }]);
    expect(await failure(embed(["a"]))).toMatchObject({ code: "device_error" });
  });

  test("takes no other request with it than those it was working on", async () => {
    const { embed, encoders } = world();
    await embed(["cached"]);
    encoders.held = true;
    const [one, other] = [embed(["a"]), embed(["b"])];
    await encoders.until(2);
    encoders.open[0]?.end("runner_crashed");
    encoders.release();
    expect([plain((await one).vectors), plain((await other).vectors)]).toEqual([[vectorOf("a")], [vectorOf("b")]]);
    expect((await embed(["cached"])).cached).toBe(1);
  });
});

describe("who leaves", () => {
  test("cancels what is under way, and frees its place", async () => {
    const { embed, encoders, runtime } = world();
    encoders.held = true;
    const leaving = new AbortController();
    const answer = failure(embed(numbered(1000), {}, leaving.signal));
    await encoders.until(4);
    leaving.abort();
    expect(await answer).toMatchObject({ code: "client_closed" });
    expect([encoders.open, encoders.calls.length, runtime.state().running]).toEqual([[], 4, 0]);
  });

  test("one bad input ends the rest of its own request, and nobody else's", async () => {
    const { embed, encoders } = world();
    encoders.held = true;
    const bad = failure(embed(numbered(256)));
    const good = embed(["good"]);
    await encoders.until(5);
    encoders.open[1]?.end("invalid_request");
    expect(await bad).toMatchObject({ code: "invalid_request" });
    expect(encoders.open.map(({ inputs }) => inputs)).toEqual([["good"]]);
    encoders.release();
    expect(plain((await good).vectors)).toEqual([vectorOf("good")]);
  });

  test("close waits for what runs", async () => {
    const { embed, encoders, runtime } = world();
    encoders.held = true;
    const answer = embed(["a"]);
    await encoders.until(1);
    const closing = runtime.close(never);
    encoders.release();
    expect(plain((await answer).vectors)).toEqual([vectorOf("a")]);
    await closing;
  });
});

describe("time", () => {
  test("an engine that answers nobody for so long is given up; one that is slow is not", async () => {
    const { embed, encoders, time } = world(["CPU"], { embedding: { timeoutMs: 1000 } });
    encoders.held = true;
    const slow = embed(numbered(20));
    const stuck = failure(embed(["stuck"]));
    await encoders.until(2);
    await time.pass(900);
    encoders.open.find(({ lane }) => lane === "batch")?.end();
    await slow;
    await time.pass(900);
    expect(encoders.open).toHaveLength(1);
    await time.pass(100);
    expect(await stuck).toMatchObject({ code: "inference_timeout", message: expect.stringContaining("for 1 s") });
    expect(encoders.open).toEqual([]);
  });

  test("a request's own time ends it", async () => {
    const { embed, encoders, time } = world();
    encoders.held = true;
    const late = failure(embed(["a"], { timeoutMs: 500 }));
    await encoders.until(1);
    await time.pass(500);
    expect(await late).toMatchObject({ code: "inference_timeout", message: expect.stringContaining("0.5 s") });
  });
});

describe("hashes in the place of vectors", () => {
  const hash = { embedding: { fallback: "hash" } } as const;

  test("where that was chosen and the model fails: the same for the same text, of length 1, told, and never remembered", async () => {
    const { embed, encoders, logged, time } = world(["CPU"], hash);
    for (let i = 0; i < 2; i++) {
      encoders.loadFailures.push("model_not_loaded");
      const answer = await embed(["a", "b", "a"]);
      const [a, b, again] = plain(answer.vectors);
      expect([a, b === a, a?.length]).toEqual([again, false, 4]);
      expect(Math.hypot(...(a ?? []))).toBeCloseTo(1, 6);
      expect(answer).toMatchObject({ fallback: true, cached: 0, truncated: 0, device: { name: "CPU" } });
    }
    expect(logged.filter((line) => line.startsWith("the embedder failed"))).toHaveLength(2);
    await time.pass(10_000);
    const real = await embed(["a"]);
    expect([real.fallback, real.cached, plain(real.vectors)]).toEqual([false, 0, [vectorOf("a")]]);
  });

  test("where the devices cannot be told, too", async () => {
    const { embed, probes } = world([], hash);
    probes.failure = "runtime_missing";
    expect(await embed(["a"])).toMatchObject({ fallback: true, device: { name: "CPU" } });
  });

  test("of as many dimensions as are asked for, or usual", async () => {
    const { embed, encoders, shelf } = world(["CPU"], hash);
    shelf.models = [{ ...EMBEDDER, embeddingLength: 0 }];
    encoders.loadFailures.push("load_timeout", "load_timeout");
    expect((await embed(["a"])).vectors[0]).toHaveLength(384);
    expect((await embed(["a"], { dimensions: 100 })).vectors[0]).toHaveLength(100);
  });

  test("not for what the caller did wrong, nor by default", async () => {
    const { embed, encoders } = world(["CPU"], hash);
    const refusals: ErrorCode[] = ["invalid_request", "context_length_exceeded", "queue_full"];
    for (const code of refusals) {
      encoders.failures.push(code);
      expect(await failure(embed([code]))).toMatchObject({ code });
    }
    expect(await failure(embed(["a"], { model: "demo" }))).toMatchObject({ code: "invalid_request" });
    expect(await failure(embed(["a"], { device: "GPU" }))).toMatchObject({ code: "device_error" });
    const disabled = world();
    disabled.encoders.loadFailures.push("model_not_loaded");
    expect(await failure(disabled.embed(["a"]))).toMatchObject({ code: "model_not_loaded" });
  });
});
