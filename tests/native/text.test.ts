/**
 * The text that leaves piece by piece is the text of all tokens, to the last byte. A grammar forces the text, sampling
 * hot chooses how it is cut into tokens: so the right answer is known beforehand, long characters cut apart included.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { AddonHost, type Answer } from "./addon-host.ts";

const PIECES = [
  "Ελλάδα ",
  "😀",
  "👩‍👩‍👧 ",
  "你好，世界",
  "naïve ",
  "the server ",
  "🇫🇷",
  "\n",
  "  ",
  "“x” — ",
  "Привет",
  "\t",
  "½ ",
  "a",
  "한국 ",
];

/** A text of `pieces` pieces, another one for each seed. */
function textOf(pieces: number, seed: number): string {
  let state = seed;
  const next = (): number => (state = (state * 48_271) % 2_147_483_647);
  return Array.from({ length: pieces }, () => PIECES[next() % PIECES.length]).join("");
}

/** The text as a grammar of one string, characters beyond ASCII as they are. */
const literal = (text: string) => ({ kind: "grammar", source: `root ::= ${JSON.stringify(text)}` }) as const;

for (const [where, load, pieces, streams] of [
  ["the CPU", () => AddonHost.onCpu({ maxBlocks: 4096 }), 90, 32],
  ["the NPU's path", () => AddonHost.onEmulatedNpu(64, 960), 90, 2],
] as const)
  describe(`text on ${where}`, () => {
    let host: AddonHost;
    beforeAll(async () => {
      host = await load();
    }, 120_000);
    afterAll(async () => await host[Symbol.asyncDispose]());

    const spell = (text: string, seed: number, logprobs: 0 | 1): Promise<Answer> =>
      host.ask("Hello!", {
        structured: literal(text),
        do_sample: true,
        temperature: 2,
        rng_seed: seed,
        max_new_tokens: 950,
        ...(logprobs && { logprobs }),
      });

    test("4,000 tokens one after the other", async () => {
      let tokens = 0;
      for (let seed = 1; tokens < 4000; seed++) {
        const text = textOf(pieces, seed);
        const answer = await spell(text, seed, 0);
        expect([answer.finish, answer.message]).toEqual(["stop", undefined]);
        expect(answer.text).toBe(text);
        tokens += answer.tokens;
      }
    }, 120_000);

    test(`${streams} at once, whose tokens come in larger pieces`, async () => {
      const answers = await Promise.all(
        Array.from({ length: streams }, async (_, n) => {
          const text = textOf(40, n + 100);
          return { text, answer: await spell(text, n, where === "the CPU" && n % 4 === 0 ? 1 : 0) };
        }),
      );
      for (const { text, answer } of answers) expect(answer.text).toBe(text);
      for (const { answer } of answers.filter((one) => one.answer.logprobs.length > 0)) {
        expect(answer.logprobs).toHaveLength(answer.tokens);
        expect(answer.logprobs.map(([text]) => text).join("")).toBe(answer.text);
      }
      expect(answers.every(({ answer }) => answer.events <= answer.tokens + 1)).toBe(true);
    }, 120_000);
  });

describe("text of tokens that are no whole characters", () => {
  test("token by token and in pieces it is the same", async () => {
    await using host = await AddonHost.onCpu();
    let beyond = "";
    for (const rng_seed of [1, 2, 3, 4, 5]) {
      const hot = { do_sample: true, temperature: 50, rng_seed, max_new_tokens: 800, ignore_eos: true } as const;
      const pieces = await host.ask("Hello!", hot);
      const tokens = await host.ask("Hello!", { ...hot, logprobs: 1 });
      expect(pieces.tokens).toBe(800);
      expect(tokens.text).toBe(pieces.text);
      beyond += pieces.text.replace(/\p{ASCII}/gu, "");
      // A short text is one decode of all its tokens: what a longer one begins with.
      const short = await host.ask("Hello!", { ...hot, max_new_tokens: 40 });
      expect(pieces.text).toStartWith(short.text.replace(/\uFFFD+$/, ""));
    }
    // Parts of characters met by chance to make some: else this test would prove nothing.
    expect(beyond).not.toBe("");
  }, 120_000);
});
