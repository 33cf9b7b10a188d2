/** Answers in a given form: JSON by a schema, a regular expression, a grammar. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NativeSampling } from "../../src/native/contract.ts";
import { AddonHost } from "./addon-host.ts";

type Structured = NonNullable<NativeSampling["structured"]>;
const schema = (value: unknown): Structured => ({ kind: "json_schema", source: JSON.stringify(value) });

const PERSON = schema({
  type: "object",
  properties: {
    name: { type: "string", pattern: "^[a-z]{2,12}$" },
    age: { type: "integer", minimum: 1 },
    color: { enum: ["red", "green", "blue"] },
    tags: { type: "array", items: { type: "boolean" }, minItems: 2, maxItems: 3 },
  },
  required: ["name", "age", "color", "tags"],
  additionalProperties: false,
});

const BAD: readonly Structured[] = [
  { kind: "json_schema", source: "{" },
  { kind: "json_schema", source: '{"type":"no such type"}' },
  { kind: "json_schema", source: '{"$ref":"#/$defs/missing"}' },
  { kind: "json_schema", source: "false" },
  schema({ type: "integer", minimum: 5, maximum: 1 }),
  schema({ enum: [] }),
  { kind: "regex", source: "(" },
  { kind: "regex", source: "a{2,1}" },
  { kind: "grammar", source: "root := 1" },
  { kind: "grammar", source: 'start ::= "no root"' },
];

for (const [where, load] of [
  ["the CPU", () => AddonHost.onCpu()],
  ["the NPU's path", () => AddonHost.onEmulatedNpu(128, 384)],
] as const)
  describe(`structured output on ${where}`, () => {
    let host: AddonHost;
    beforeAll(async () => {
      host = await load();
    }, 120_000);
    afterAll(async () => await host[Symbol.asyncDispose]());

    /** Sampled nearly uniformly: of all that the form allows, white space without end included, anything may come. */
    const forced = async (structured: Structured): Promise<string[]> => {
      await host.call("validateGrammar", structured);
      const texts: string[] = [];
      for (const rng_seed of [1, 2, 3, 4, 5]) {
        const sampling = { structured, do_sample: true, temperature: 50, rng_seed, max_new_tokens: 380 };
        const answer = await host.ask("Tell me about animals.", sampling);
        expect([answer.code, answer.message]).toEqual([undefined, undefined]);
        if (answer.finish === "stop") texts.push(answer.text);
      }
      expect(texts.length).toBeGreaterThan(0);
      return texts;
    };

    test("a schema: every answer is JSON that fits it", async () => {
      for (const text of await forced(PERSON)) {
        const person = JSON.parse(text) as Record<string, unknown>;
        expect(Object.keys(person).sort()).toEqual(["age", "color", "name", "tags"]);
        expect(person["name"]).toMatch(/^[a-z]{2,12}$/);
        expect(Number.isInteger(person["age"])).toBe(true);
        expect(["red", "green", "blue"]).toContain(person["color"] as string);
        expect((person["tags"] as unknown[]).every((tag) => typeof tag === "boolean")).toBe(true);
      }
    }, 60_000);

    test("a regular expression and a grammar", async () => {
      for (const text of await forced({ kind: "regex", source: "[A-F]{3}-[0-9]{4}" }))
        expect(text).toMatch(/^[A-F]{3}-\d{4}$/);
      const sums = 'root ::= number (" + " number){2} "\\n"\nnumber ::= [1-9] [0-9]?';
      for (const text of await forced({ kind: "grammar", source: sums }))
        expect(text).toMatch(/^[1-9]\d?( \+ [1-9]\d?){2}\n$/);
    }, 60_000);

    test("what does not compile is refused beforehand, in words without paths", async () => {
      for (const structured of BAD) {
        const refusal: unknown = await host.call("validateGrammar", structured).catch((error: unknown) => error);
        expect([structured.source, (refusal as { code?: string }).code]).toEqual([structured.source, "grammar"]);
        expect(String(refusal)).not.toMatch(/\.(cpp|cc|hpp|h):|\/src\//);
      }
      expect((await host.ask("What is the capital of France?")).text).toContain("Paris");
    }, 60_000);
  });
