/** ModelEngine over an addon that says what a test wrote for it: what a healthy machine's library never does. */
import { describe, expect, test } from "bun:test";
import { ProxyError } from "../../src/core/errors.ts";
import type { LoadOptions } from "../../src/core/runner-protocol.ts";
import type { Addon, NativeEngine, NativeEvent, NativeSampling } from "../../src/native/contract.ts";
import { type Deliver, ModelEngine } from "../../src/native/engine.ts";
import { until } from "../support/daemon.ts";

type Answer = Omit<NativeEvent, "id">;
const LOST = "L0 zeFenceHostSynchronize result: ZE_RESULT_ERROR_DEVICE_LOST, code 0x70000001 - device hung";

/** Answers each submission by the given function; a number of tokens of text is what it makes of the others. */
function addon(answer: (prompt: Int32Array, sampling: NativeSampling) => Answer | undefined): Addon {
  const load: Addon["loadEngine"] = async (_options, onEvents) => ({
    tokenizer: {
      encode: async (text) => new Int32Array(text.split(" ").length),
    } as Partial<NativeEngine["tokenizer"]> as NativeEngine["tokenizer"],
    submit: (id, prompt, sampling) => {
      const { max_new_tokens: tokens, logprobs } = sampling;
      const text = " five".repeat(tokens);
      const pairs = Array.from({ length: tokens }, () => [" five", -0.01] as const);
      const usual: Answer = {
        text,
        tokens,
        finish: "length",
        promptNs: 1e6,
        ...(logprobs === 1 && { logprobs: pairs }),
      };
      queueMicrotask(() => onEvents([{ ...(answer(prompt, sampling) ?? usual), id }]));
    },
    cancel: () => undefined,
    validateGrammar: async () => undefined,
    stats: () => ({ running: 0, waiting: 0, reservedBlocks: 0, maxBlocks: 1, cacheUsage: 0, steps: 0, stepNs: 0 }),
    close: async () => undefined,
  });
  return { openvino: "scripted", loadEngine: load } as Partial<Addon> as Addon;
}

const failing = (message: string): Answer => ({ text: "", tokens: 0, finish: "error", code: "inference", message });
const onCpu: LoadOptions = {
  directory: "",
  device: "CPU",
  emulateNpu: false,
  maxPromptTokens: 999,
  contextLength: 1000,
  kvBlocks: 100,
};
const onNpu: LoadOptions = { ...onCpu, device: "NPU" };
const load = (fake: Addon, options: LoadOptions, deliver: Deliver = () => undefined) =>
  ModelEngine.load(fake, options, deliver);
const isMeasurement = (prompt: Int32Array): boolean => prompt.length > 100;
const isProbe = ({ max_new_tokens }: NativeSampling): boolean => max_new_tokens === 16;

describe("loading", () => {
  test("a healthy engine tells its first token and has no warm-up error", async () => {
    const { info } = await load(
      addon(() => undefined),
      onCpu,
    );
    expect(info).toMatchObject({ firstToken: " five", prefillChunk: 256 });
    expect(info.warmUpError).toBeUndefined();
    // The NPU's pipeline has no probabilities: what it says first is no toss-up for nobody knows.
    expect(
      (
        await load(
          addon(() => undefined),
          { ...onNpu, firstToken: " five" },
        )
      ).info.firstToken,
    ).toBeUndefined();
  });

  test("a warm-up that fails is told and keeps nobody from serving", async () => {
    const fake = addon((prompt) => (isMeasurement(prompt) ? failing("The kernel is slow today.") : undefined));
    const { info } = await load(fake, onCpu);
    expect(info).toMatchObject({ warmUpError: "The kernel is slow today.", prefillChunk: 256, firstToken: " five" });
    const known = await load(fake, { ...onCpu, prefillChunk: 64 }); // nothing is measured then
    expect(known.info.warmUpError).toBeUndefined();
  });

  test("a wrong answer makes the model unfit for the device", async () => {
    const wrong = (answer: Partial<Answer>) =>
      addon((_, sampling) =>
        isProbe(sampling) ? { text: " five", tokens: 16, finish: "length", ...answer } : undefined,
      );
    const broken: readonly (readonly [Addon, LoadOptions, RegExp])[] = [
      [wrong({ logprobs: [[" five", Number.NaN]] }), onCpu, /^The model answers wrongly on CPU: .* no numbers\./],
      [wrong({ text: "a\0b" }), onNpu, /on NPU: .* NUL characters\./],
      [wrong({ text: " six" }), { ...onNpu, firstToken: " five" }, /on NPU: .* " six" where the CPU says " five"\./],
    ];
    for (const [fake, options, words] of broken)
      await expect(load(fake, options)).rejects.toMatchObject({
        code: "model_unfit",
        message: expect.stringMatching(words),
      });
  });

  test("a device that is lost meanwhile, memory that is not there, a library that lies: each with its own code", async () => {
    const at = (place: (prompt: Int32Array, sampling: NativeSampling) => boolean, answer: Answer) =>
      load(
        addon((prompt, sampling) => (place(prompt, sampling) ? answer : undefined)),
        onCpu,
      );
    const always = () => true;
    const code = (expected: string) => ({ code: expected });
    for (const place of [always, (prompt: Int32Array) => isMeasurement(prompt)])
      await expect(at(place, failing(LOST))).rejects.toMatchObject(code("device_lost"));
    await expect(at(always, failing("std::bad_alloc"))).rejects.toMatchObject(code("insufficient_memory"));
    await expect(at((_, s) => isProbe(s), failing("No idea."))).rejects.toMatchObject({
      code: "model_not_loaded",
      detail: "No idea.",
    });
    const short: Answer = { text: "", tokens: 3, finish: "length" };
    await expect(at(always, short)).rejects.toMatchObject(code("runtime_failed"));
  });

  test("a context shorter than the probe is not probed", async () => {
    const fake = addon((_, sampling) => (isProbe(sampling) ? failing("It was probed.") : undefined));
    const tiny = { ...onNpu, maxPromptTokens: 8, contextLength: 12 };
    expect((await load(fake, tiny)).info.firstToken).toBeUndefined();
  });
});

describe("while it serves", () => {
  async function serving(message: string): Promise<(readonly [number, unknown])[]> {
    const delivered: (readonly [number, unknown])[] = [];
    let loaded = false;
    const fake = addon(() => (loaded ? failing(message) : undefined));
    const engine = await load(fake, onCpu, (id, event) => void delivered.push([id, event]));
    loaded = true;
    engine.generate(7, new Int32Array(3), { maxTokens: 5 });
    await until(() => delivered.length > 0);
    return delivered.map(([id, event]) => [id, event instanceof ProxyError ? event.code : event]);
  }

  test("a driver that is lost, or out of memory, ends the whole engine; any other failure its request", async () => {
    expect(await serving(LOST)).toEqual([[0, "device_lost"]]);
    expect(await serving("[GPU] clFlush, error code: -5")).toEqual([[0, "insufficient_memory"]]);
    expect(await serving("The answer is no answer.")).toEqual([[7, "inference_failed"]]);
  });
});
