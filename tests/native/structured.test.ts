/** Answers in a given form: JSON by a schema, a regular expression, a grammar. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NativeSampling } from "../../src/native/contract.ts";
import { AddonHost } from "./addon-host.ts";

type Structured = NonNullable<NativeSampling["structured"]>;
const schema = (value: unknown): Structured => ({ kind: "json_schema", source: JSON.stringify(value) });

const PERSON = schema({
  type: "object",
  properties: {
    name: { type: "string", maxLength: 12 },
    age: { type: "integer" },
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
  ["the NPU's path", () => AddonHost.onEmulatedNpu(128, 128)],
] as const)
  describe(`structured output on ${where}`, () => {
    let host: AddonHost;
    beforeAll(async () => {
      host = await load();
    }, 120_000);
    afterAll(async () => await host[Symbol.asyncDispose]());

    const forced = async (structured: Structured, seed: number): Promise<string> => {
      await host.call("validateGrammar", structured);
      const answer = await host.ask("Tell me about animals.", {
        structured,
        do_sample: true,
        temperature: 1.5,
        rng_seed: seed,
        max_new_tokens: 120,
      });
      expect([answer.finish, answer.message]).toEqual(["stop", undefined]);
      return answer.text;
    };

    test("a schema: every answer is JSON that fits it", async () => {
      for (const seed of [1, 2, 3]) {
        const person = JSON.parse(await forced(PERSON, seed)) as Record<string, unknown>;
        expect(Object.keys(person).sort()).toEqual(["age", "color", "name", "tags"]);
        expect(typeof person["name"]).toBe("string");
        expect(Number.isInteger(person["age"])).toBe(true);
        expect(["red", "green", "blue"]).toContain(person["color"] as string);
        expect((person["tags"] as unknown[]).every((tag) => typeof tag === "boolean")).toBe(true);
      }
    }, 60_000);

    test("a regular expression and a grammar", async () => {
      for (const seed of [1, 2, 3]) {
        expect(await forced({ kind: "regex", source: "[A-F]{3}-[0-9]{4}" }, seed)).toMatch(/^[A-F]{3}-\d{4}$/);
        const sums = 'root ::= number (" + " number){2} "\\n"\nnumber ::= [1-9] [0-9]?';
        expect(await forced({ kind: "grammar", source: sums }, seed)).toMatch(/^[1-9]\d?( \+ [1-9]\d?){2}\n$/);
      }
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
