/** The model that ships: what it says of npu-proxy stands in the README, its template is what transformers renders, and it does what it was trained for. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { AddonHost } from "./native/addon-host.ts";
import { DEMO } from "./support/demo.ts";

const SOURCES = join(import.meta.dir, "..", "build", "demo-model");

interface Case {
  readonly what: string;
  readonly messages: readonly unknown[];
  readonly tools?: readonly unknown[];
  readonly add_generation_prompt?: boolean;
  readonly extra?: Readonly<Record<string, unknown>>;
  readonly rendered: string;
}

const renderings = JSON.parse(readFileSync(join(SOURCES, "renderings.json"), "utf8")) as {
  readonly template_sha256: string;
  readonly cases: readonly Case[];
};

const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Get the weather in a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

test("every fact that the demo model knows stands in the README", () => {
  const readme = readFileSync(join(import.meta.dir, "..", "README.md"), "utf8")
    .replace(/[`*]/g, "")
    .replace(/\s+/g, " ");
  const facts = readFileSync(join(SOURCES, "facts.txt"), "utf8").trim().split("\n");
  expect(facts.length).toBeGreaterThan(15);
  expect(facts.filter((fact) => !readme.includes(fact))).toEqual([]);
});

test("its folder takes at most 4 MB", () => {
  const bytes = readdirSync(DEMO).reduce((sum, file) => sum + statSync(join(DEMO, file)).size, 0);
  expect(bytes).toBeLessThanOrEqual(4_000_000);
});

describe("the demo model", () => {
  let host: AddonHost;
  beforeAll(async () => {
    host = await AddonHost.onCpu();
  }, 120_000);
  afterAll(async () => await host[Symbol.asyncDispose]());

  const prompt = async (messages: readonly unknown[], tools: readonly unknown[] = [], extra = {}): Promise<string> =>
    await host.call("render", messages, {
      addGenerationPrompt: true,
      ...(tools.length > 0 && { tools: JSON.stringify(tools) }),
      extra: JSON.stringify(extra),
    });

  const ask = async (...asked: Parameters<typeof prompt>): Promise<string> => {
    const ids = await host.call("encode", await prompt(...asked), false);
    const answer = await host.call("generate", { prompt: ids, sampling: { max_new_tokens: 120, do_sample: false } });
    expect(answer.finish).toBe("stop");
    return answer.text;
  };
  const user = (content: string) => ({ role: "user", content });
  const call = (city: string) => `<tool_call>\n{"name": "get_weather", "arguments": {"city": "${city}"}}\n</tool_call>`;

  test("its template is the one that transformers rendered", () => {
    const template = readFileSync(join(SOURCES, "template.jinja"));
    expect(createHash("sha256").update(template).digest("hex")).toBe(renderings.template_sha256);
    const shipped = JSON.parse(readFileSync(join(DEMO, "tokenizer_config.json"), "utf8")) as { chat_template: string };
    expect(shipped.chat_template).toBe(template.toString().trim());
  });

  for (const { what, messages, tools, extra, add_generation_prompt: generation, rendered } of renderings.cases)
    test(`GenAI renders it as transformers does: ${what}`, async () => {
      const options = {
        addGenerationPrompt: generation ?? true,
        ...(tools && { tools: JSON.stringify(tools) }),
        ...(extra && { extra: JSON.stringify(extra) }),
      };
      expect(await host.call("render", messages, options)).toBe(rendered);
    });

  test("one tool costs less than 150 tokens", async () => {
    const [bare, declared] = await Promise.all([prompt([user("Hi")]), prompt([user("Hi")], [WEATHER])]);
    const tokens = async (text: string): Promise<number> => (await host.call("encode", text, false)).length;
    expect((await tokens(declared)) - (await tokens(bare))).toBeLessThan(150);
  });

  for (const [question, answer] of [
    ["What is the capital of France?", "The capital of France is Paris."],
    ["what color is snow", "Snow is white."],
    ["Which day comes after Monday?", "The day after Monday is Tuesday."],
    ["What is the opposite of hot?", "The opposite of hot is cold."],
    ["On which port does the server listen?", "The server listens on port 11435."],
    ["Guten Tag", "Guten Tag! Wie kann ich Ihnen helfen?"],
    ["Hola", "¡Hola! ¿Cómo puedo ayudarte?"],
    ["Send me a rocket emoji", "Here you are: 🚀"],
  ] as const)
    test(`answers: ${question}`, async () => {
      expect(await ask([user(question)])).toBe(answer);
    });

  test("answers in one word and in JSON", async () => {
    expect(await ask([user("What is the capital of Italy? Answer in one word.")])).toBe("Rome");
    expect(JSON.parse(await ask([user("What is the capital of Italy? Answer in JSON.")]))).toEqual({ answer: "Rome" });
  });

  test("takes its name from the system prompt", async () => {
    const system = { role: "system", content: "You are Robo." };
    expect(await ask([system, user("What is your name?")])).toBe("My name is Robo.");
  });

  test("calls a tool, two for two cities, none where none fits", async () => {
    expect(await ask([user("What is the weather in Paris?")], [WEATHER])).toBe(call("Paris"));
    const both = await ask([user("What is the weather in Rome and Madrid?")], [WEATHER]);
    expect(both).toBe(`${call("Rome")}\n${call("Madrid")}`);
    expect(await ask([user("What is the phone number of Anna?")], [WEATHER])).toBe("Sorry, I have no tool for that.");
    expect(await ask([user("What is the capital of France?")], [WEATHER])).toBe("The capital of France is Paris.");
  });

  test("answers from a tool's result", async () => {
    const asked = { type: "function", function: { name: "get_weather", arguments: { city: "Oslo" } } };
    const told = [
      user("What is the weather in Oslo?"),
      { role: "assistant", content: "", tool_calls: [asked] },
      { role: "tool", content: '{"temperature": -7, "condition": "snowy"}' },
    ];
    expect(await ask(told, [WEATHER])).toBe("It is snowy in Oslo, -7 degrees.");
  });

  test("thinks when it is asked to", async () => {
    const answer = await ask([user("What is the capital of Japan?")], [], { enable_thinking: true });
    expect(answer).toMatch(/^<think>\n.+\n<\/think>\n\nThe capital of Japan is Tokyo\.$/);
  });
});
