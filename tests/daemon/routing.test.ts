/** Where requests go on a CPU and an emulated NPU: by the tokenizer's own counts, through the real daemon. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { AddonHost } from "../native/addon-host.ts";
import { type Daemon, startDaemon } from "../support/daemon.ts";

const LIMIT = 200;
/** The demo's context is 4,096: MIN_RESPONSE_LEN 64, MAX_PROMPT_LEN 400, capacity 463. */
const SETTINGS = {
  NPU_PROXY_NPU_EMULATION: "cpu",
  NPU_PROXY_TOKEN_LIMIT: String(LIMIT),
  NPU_PROXY_MAX_PROMPT_LEN: "400",
  NPU_PROXY_MIN_RESPONSE_LEN: "64",
};
const CAPACITY = 463;

const SCRIPTS = {
  English: "The capital of France is Paris. ",
  Chinese: "巴黎是法国的首都。",
  digits: "31415926535897932384626433",
} as const;

let daemon: Daemon;
let addon: AddonHost;

beforeAll(async () => {
  addon = await AddonHost.onCpu();
  daemon = await startDaemon(SETTINGS);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await addon[Symbol.asyncDispose]();
});

interface Where {
  readonly status: number;
  readonly device: string | null;
  readonly reason: string | null;
  readonly tokens: number;
  readonly body: { readonly eval_count?: number; readonly done_reason?: string; readonly error?: string };
}

async function generate(prompt: string, options: object = {}, more: object = {}, headers = {}): Promise<Where> {
  const response = await fetch(`${daemon.url}/api/generate`, {
    method: "POST",
    headers,
    body: JSON.stringify({
      model: "demo",
      raw: true,
      prompt,
      stream: false,
      options: { num_predict: 2, ...options },
      ...more,
    }),
  });
  return {
    status: response.status,
    device: response.headers.get("x-npu-proxy-device"),
    reason: response.headers.get("x-npu-proxy-route-reason"),
    tokens: Number(response.headers.get("x-npu-proxy-token-count")),
    body: (await response.json()) as Where["body"],
  };
}

async function count(text: string): Promise<number> {
  return (await addon.call("encode", text, true)).length;
}

/** A text of exactly so many tokens: whole sentences, then as many of their characters as fit, then full stops. */
async function textOf(tokens: number, sentence: string): Promise<string> {
  const each = await count(sentence);
  let text = sentence.repeat(Math.max(0, Math.floor(tokens / each) - 1));
  for (const character of [...sentence, ...sentence, ..."..............."]) {
    if ((await count(text + character)) <= tokens) text += character;
    if ((await count(text)) === tokens) return text;
  }
  throw new Error(`no text of ${tokens} tokens`);
}

describe.each(Object.keys(SCRIPTS) as (keyof typeof SCRIPTS)[])("a prompt in %s", (script) => {
  test.each([
    [LIMIT - 1, "NPU", "within_npu_limit"],
    [LIMIT, "NPU", "within_npu_limit"],
    [LIMIT + 1, "CPU", "prompt_exceeds_npu_limit"],
    [LIMIT * 10, "CPU", "prompt_exceeds_npu_limit"],
  ])(
    "of %i tokens goes to the %s: %s",
    async (tokens, device, reason) => {
      const where = await generate(await textOf(tokens, SCRIPTS[script]));
      expect(where).toMatchObject({ status: 200, device, reason, tokens });
    },
    60_000,
  );
});

describe("what an answer may come to", () => {
  test("as long as the NPU's capacity leaves: there; one token more: not", async () => {
    const prompt = await textOf(150, SCRIPTS.English);
    expect(await generate(prompt, { num_predict: CAPACITY - 150 })).toMatchObject({ device: "NPU" });
    expect(await generate(prompt, { num_predict: CAPACITY - 149 })).toMatchObject({
      device: "CPU",
      reason: "output_exceeds_npu_limit",
    });
  }, 60_000);

  test("num_ctx lowers it, and that is told as length", async () => {
    const prompt = await textOf(150, SCRIPTS.English);
    const { body } = await generate(prompt, { num_predict: 100, num_ctx: 153, temperature: 2 });
    expect(body).toMatchObject({ eval_count: 3, done_reason: "length" });
  });

  test("longer than the whole context: 400 with count and limit where it may not be cut", async () => {
    const prompt = await textOf(4096, SCRIPTS.English);
    const { status, body } = await generate(prompt, {}, { truncate: false });
    expect([status, body.error]).toEqual([400, expect.stringMatching(/4096 tokens .* 4095/)]);
    const cut = await generate(prompt);
    expect(cut).toMatchObject({ status: 200, device: "CPU", tokens: 4094 }); // two tokens of an answer were asked for
  }, 60_000);
});

describe("needs that the NPU's pipeline has not", () => {
  const openai = async (more: object): Promise<(string | null)[]> => {
    const response = await fetch(`${daemon.url}/v1/chat/completions`, {
      method: "POST",
      body: JSON.stringify({ model: "demo", messages: [{ role: "user", content: "Hi" }], max_tokens: 2, ...more }),
    });
    await response.body?.cancel();
    return [response.headers.get("x-npu-proxy-device"), response.headers.get("x-npu-proxy-route-reason")];
  };

  test("logprobs, and several choices", async () => {
    expect(await openai({})).toEqual(["NPU", "within_npu_limit"]);
    expect(await openai({ logprobs: true })).toEqual(["CPU", "needs_unsupported_by_npu"]);
    expect(await openai({ n: 2 })).toEqual(["CPU", "needs_unsupported_by_npu"]);
  });
});

describe("the caller's wish", () => {
  test("by header, by suffix, and what cannot be", async () => {
    expect(await generate("Hi", {}, {}, { "X-NPU-Proxy-Device": "cpu" })).toMatchObject({
      device: "CPU",
      reason: "requested",
    });
    expect(await generate("Hi", {}, { model: "demo@npu" })).toMatchObject({ device: "NPU", reason: "requested" });
    const gpu = await generate("Hi", {}, { model: "demo@gpu" });
    expect([gpu.status, gpu.body]).toEqual([503, expect.objectContaining({ available_devices: ["CPU", "NPU"] })]);
    const long = await generate(await textOf(401, SCRIPTS.English), {}, { model: "demo@npu", truncate: false });
    expect([long.status, long.body.error]).toEqual([400, expect.stringMatching(/401 tokens .* 400/)]);
  }, 60_000);

  test("/api/route tells the same without running anything", async () => {
    const prompt = await textOf(LIMIT + 1, SCRIPTS.Chinese);
    const response = await fetch(`${daemon.url}/api/route`, {
      method: "POST",
      body: JSON.stringify({ model: "demo", raw: true, prompt }),
    });
    expect(await response.json()).toMatchObject({
      device: "CPU",
      reason: "prompt_exceeds_npu_limit",
      prompt_tokens: LIMIT + 1,
    });
  });
});
