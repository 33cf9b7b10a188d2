/** The real addon through binding.ts: tokenizer, templates, generation on the CPU and on the NPU's path. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/daemon.ts";
import { copyDemo, temporaryFolder } from "../support/demo.ts";
import { AddonHost, type Answer } from "./addon-host.ts";

const CAPITALS = ["France", "Italy", "Spain", "Germany", "Poland", "Norway", "Greece", "Portugal"].map(
  (country) => `What is the capital of ${country}?`,
);
const FRANCE = "What is the capital of France?";
const HOT = { do_sample: true, temperature: 2, ignore_eos: true, max_new_tokens: 100 } as const;

describe("addon on the CPU", () => {
  let host: AddonHost;
  beforeAll(async () => {
    host = await AddonHost.onCpu();
  }, 60_000);
  afterAll(async () => await host[Symbol.asyncDispose]());

  test("checks itself against the library it is on, and names it", async () => {
    await host.call("selfCheck");
    expect(await host.call("openvino")).toMatch(/^20\d\d\.\d/);
    expect((await host.call("devices")).map(({ name }) => name)).toContain("CPU");
  });

  test("what is encoded decodes to the same text", async () => {
    for (const text of ["Hello, world!", "  two  spaces\n\ttab", "naïve Ελλάδα 你好 😀🇫🇷", "a", "{}[]<>\\\"'`"]) {
      const ids = await host.call("encode", text, false);
      expect(ids.length).toBeGreaterThan(0);
      expect(await host.call("decode", ids, true)).toBe(text);
    }
    expect(await host.call("decode", [], true)).toBe("");
  });

  test("special tokens are one token each, shown or left out as asked", async () => {
    const ids = await host.call("encode", "<|im_start|>user\nHi<|im_end|>", false);
    expect(ids.length).toBeLessThanOrEqual(8);
    expect(await host.call("decode", ids, false)).toBe("<|im_start|>user\nHi<|im_end|>");
    expect(await host.call("decode", ids, true)).not.toContain("<|im_");
  });

  test("the chat template takes tools, further variables and a replacement", async () => {
    const messages = [{ role: "user", content: 'Hi "there" ☃' }];
    const plain = await host.call("render", messages, { addGenerationPrompt: true });
    expect(plain).toBe('<|im_start|>user\nHi "there" ☃<|im_end|>\n<|im_start|>assistant\n');
    expect(await host.call("render", messages, { addGenerationPrompt: false })).not.toContain("assistant");
    const tools = [{ type: "function", function: { name: "weather_of", parameters: { type: "object" } } }];
    const withTools = await host.call("render", messages, { addGenerationPrompt: true, tools: JSON.stringify(tools) });
    expect(withTools).toContain("weather_of");
    expect(withTools).toEndWith(plain);
    const mark = "{{ messages[0]['content'] }}|{{ mark }}|{{ tools is defined }}";
    expect(
      await host.call("render", messages, { addGenerationPrompt: false, template: mark, extra: '{"mark":"X7"}' }),
    ).toStartWith('Hi "there" ☃|X7|');
  });

  test("a template that fails rejects as such, and the next one works", async () => {
    const messages = [{ role: "user", content: "Hi" }];
    for (const template of ["{{ raise_exception('no') }}", "{% for %}", "{{ 1 | nosuchfilter }}"])
      await expect(host.call("render", messages, { addGenerationPrompt: true, template })).rejects.toMatchObject({
        code: "template",
      });
    expect(await host.call("render", messages, { addGenerationPrompt: true })).toContain("Hi");
  });

  test("a greedy answer ends by itself, with true counts and times", async () => {
    const answer = await host.ask(FRANCE);
    expect(answer.text).toContain("Paris");
    expect(answer.finish).toBe("stop");
    const ids = await host.call("encode", answer.text, false);
    expect(answer.tokens).toBe(ids.length + 1); // and the token that ended it
    expect(answer.promptNs).toBeGreaterThan(0);
    expect(answer.decodeNs).toBeGreaterThan(0);
  });

  test("64 at once answer as each does alone, and nothing is left behind", async () => {
    const alone = new Map<string, string>();
    for (const question of CAPITALS) alone.set(question, (await host.ask(question)).text);
    expect(new Set(alone.values()).size).toBe(CAPITALS.length);
    const together = await Promise.all(
      Array.from({ length: 64 }, async (_, n) => {
        const question = CAPITALS[n % CAPITALS.length] ?? "";
        return [question, (await host.ask(question)).text] as const;
      }),
    );
    for (const [question, text] of together) expect(text).toBe(alone.get(question) ?? "");
    await until(async () => (await host.call("stats")).running === 0);
    expect(await host.call("stats")).toMatchObject({ running: 0, waiting: 0, reservedBlocks: 0 });
    expect(await host.call("strays")).toEqual([]);
  }, 60_000);

  test("a limit ends as length with exactly so many tokens", async () => {
    expect(await host.ask(FRANCE, { max_new_tokens: 3 })).toMatchObject({ tokens: 3, finish: "length" });
    expect(await host.ask(FRANCE, { max_new_tokens: 200, ignore_eos: true })).toMatchObject({
      tokens: 200,
      finish: "length",
    });
  });

  test("no fewer tokens than min_new_tokens", async () => {
    const { tokens } = await host.ask(FRANCE);
    const longer = await host.ask(FRANCE, { min_new_tokens: tokens + 20, max_new_tokens: 200 });
    expect(longer.tokens).toBeGreaterThanOrEqual(tokens + 20);
  });

  test("the same seed gives the same text, another seed another", async () => {
    const texts = [];
    for (const rng_seed of [1, 2, 1]) texts.push((await host.ask(FRANCE, { ...HOT, rng_seed })).text);
    expect(texts[2]).toBe(texts[0] ?? "");
    expect(texts[1]).not.toBe(texts[0] ?? "");
  });

  test("penalties change a text that repeats itself", async () => {
    const long = { max_new_tokens: 150, ignore_eos: true };
    const plain = await host.ask("Hello!", long);
    for (const penalty of [{ repetition_penalty: 1.5 }, { presence_penalty: 2 }, { frequency_penalty: 2 }]) {
      const answer = await host.ask("Hello!", { ...long, ...penalty });
      expect([answer.finish, answer.tokens]).toEqual(["length", 150]);
      expect(answer.text).not.toBe(plain.text);
    }
  });

  test("log probabilities: one a token, none above 0, their texts are the text", async () => {
    const answer = await host.ask(FRANCE, { logprobs: 1 });
    expect(answer.logprobs).toHaveLength(answer.tokens);
    expect(answer.logprobs.map(([text]) => text).join("")).toBe(answer.text);
    for (const [, logprob] of answer.logprobs) expect(logprob).toBeLessThanOrEqual(0);
    expect(answer.logprobs.some(([, logprob]) => logprob < 0)).toBe(true);
    expect(answer.text).toBe((await host.ask(FRANCE)).text);
    expect((await host.ask(FRANCE)).logprobs).toEqual([]);
  });

  test("a cancelled answer ends soon, as cancelled, and its blocks come back", async () => {
    const answer = await host.ask(FRANCE, { max_new_tokens: 900, ignore_eos: true }, { cancelAfter: 5 });
    expect(answer.finish).toBe("cancelled");
    // What the engine made before the cancel reached it may still follow: of 900 tokens a few.
    expect(answer.tokens).toBeLessThan(450);
    await until(async () => (await host.call("stats")).reservedBlocks === 0);
    const together = await Promise.all(
      Array.from({ length: 16 }, () => host.ask(FRANCE, { max_new_tokens: 900, ignore_eos: true }, { cancelAfter: 3 })),
    );
    expect(together.map(({ finish }) => finish)).toEqual(Array(16).fill("cancelled"));
    expect(await host.ask(FRANCE, {}, { cancelAtOnce: true })).toMatchObject({ finish: "cancelled" });
    expect((await host.ask(FRANCE)).text).toContain("Paris");
  }, 60_000);

  test("what no engine can do is told as invalid, and nobody else is hurt", async () => {
    const bystander = host.ask(FRANCE, { max_new_tokens: 300, ignore_eos: true });
    for (const bad of [
      { max_new_tokens: 0 },
      { max_new_tokens: -1 },
      { max_new_tokens: 2.5 },
      { do_sample: true, temperature: -1 },
      { do_sample: true, top_p: 2 },
      { do_sample: true, rng_seed: -1 },
      { repetition_penalty: -1 },
      { min_new_tokens: 100, max_new_tokens: 5 },
    ]) {
      const answer = await host.ask(FRANCE, bad);
      expect([bad, answer.finish, answer.code]).toEqual([bad, "error", "invalid"]);
      expect(answer.message).toBeTruthy();
      expect(answer.message).not.toMatch(/\.(cpp|hpp)|\/src\//);
    }
    expect(await host.call("generate", { prompt: [], sampling: { max_new_tokens: 5 } })).toMatchObject({
      finish: "error",
      code: "invalid",
    });
    expect(await bystander).toMatchObject({ finish: "length", tokens: 300 });
  }, 60_000);

  test("a closed engine refuses, a second close is none", async () => {
    await using other = await AddonHost.onCpu();
    const running = Array.from({ length: 8 }, () => other.ask(FRANCE, { max_new_tokens: 900, ignore_eos: true }));
    await until(async () => (await other.call("stats")).running === 8);
    await other.call("close");
    for (const answer of await Promise.all(running)) expect(answer.finish).toBe("cancelled");
    await other.call("close");
    await expect(other.call("generate", { prompt: [1], sampling: { max_new_tokens: 1 } })).rejects.toMatchObject({
      code: "closed",
    });
  }, 60_000);
});

describe("addon on the NPU's path", () => {
  let host: AddonHost;
  beforeAll(async () => {
    host = await AddonHost.onEmulatedNpu(128, 64);
  }, 120_000);
  afterAll(async () => await host[Symbol.asyncDispose]());

  test("answers, and its first token is the CPU's", async () => {
    expect((await host.ask(FRANCE)).text).toContain("Paris");
    await using onCpu = await AddonHost.onCpu();
    for (const question of [...CAPITALS, "Hello!", "What is 2 + 2?"]) {
      const first = (answer: Answer) => [question, answer.text, answer.tokens];
      const limit = { max_new_tokens: 1 };
      expect(first(await host.ask(question, limit))).toEqual(first(await onCpu.ask(question, limit)));
    }
  }, 120_000);

  test("one after the other, in order, however many are asked at once", async () => {
    const alone = [];
    for (const question of CAPITALS) alone.push((await host.ask(question)).text);
    const together = await Promise.all(CAPITALS.map((question) => host.ask(question)));
    expect(together.map(({ text }) => text)).toEqual(alone);
    expect(together.map(({ finish }) => finish)).toEqual(CAPITALS.map(() => "stop"));
  }, 60_000);

  test("a full cache ends as length at its capacity; a longer prompt is refused with both numbers", async () => {
    const prompt = await host.chat(FRANCE);
    const endless = { ...HOT, max_new_tokens: 5000, rng_seed: 1 };
    const answer = await host.call("generate", { prompt, sampling: endless });
    // The last token is never read again: it takes no place in the cache of 128 + 64 - 1.
    expect([answer.finish, prompt.length + answer.tokens]).toEqual(["length", 128 + 64]);
    const long = Array<number>(129).fill(prompt[5] ?? 5);
    const refused = await host.call("generate", { prompt: long, sampling: { max_new_tokens: 5 } });
    expect(refused).toMatchObject({ finish: "error", code: "capacity" });
    expect(refused.message).toMatch(/129.*128/);
    expect((await host.ask(FRANCE, { logprobs: 1 })).code).toBe("invalid");
  }, 60_000);

  test("cancels between tokens, and in its queue", async () => {
    const endless = { max_new_tokens: 5000, ignore_eos: true };
    const running = host.ask(FRANCE, endless, { cancelAfter: 5 });
    const waiting = host.ask(FRANCE, endless, { cancelAtOnce: true });
    expect((await waiting).finish).toBe("cancelled");
    expect((await running).finish).toBe("cancelled");
    expect((await host.ask(FRANCE)).text).toContain("Paris");
  }, 60_000);

  test("the same seed gives the same text", async () => {
    const seeded = { do_sample: true, temperature: 2, ignore_eos: true, max_new_tokens: 50, rng_seed: 5 };
    expect((await host.ask(FRANCE, seeded)).text).toBe((await host.ask(FRANCE, seeded)).text);
  }, 60_000);
});

describe("loading", () => {
  test("a device that is not there, a folder without its tokenizer or without anything: refused, with a code", async () => {
    using folder = temporaryFolder();
    await using host = new AddonHost();
    const options = {
      pipeline: "batching",
      properties: {},
      scheduler: { maxBatchedTokens: 256, maxSequences: 8, prefixCaching: true, maxBlocks: 64 },
    } as const;
    const bare = copyDemo(folder.path, "bare");
    for (const file of ["openvino_detokenizer.xml", "openvino_detokenizer.bin"]) rmSync(join(bare, file));
    await expect(host.call("load", { ...options, directory: bare, device: "CPU" })).rejects.toMatchObject({
      code: "load",
    });
    await expect(host.call("loadTokenizer", bare)).rejects.toMatchObject({ code: "load" });
    await expect(host.call("load", { ...options, directory: folder.path, device: "CPU" })).rejects.toMatchObject({
      code: "load",
    });
    const whole = copyDemo(folder.path, "whole");
    await expect(host.call("load", { ...options, directory: whole, device: "GPU.7" })).rejects.toMatchObject({
      code: "device",
    });
    await host.call("loadTokenizer", whole);
    expect(await host.call("decode", await host.call("encode", "still here", false), true)).toBe("still here");
  }, 60_000);
});
