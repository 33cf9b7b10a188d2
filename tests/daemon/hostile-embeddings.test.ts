/** What nobody should send to an embedder, through the real server and a real model: a right answer or a clear refusal. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type EmbedderDaemon, startEmbedder } from "../support/embedder-daemon.ts";
import { cosine, references } from "../support/reference-vectors.ts";

const { fitting } = references();
const TIMEOUT_MS = 240_000;
const LONGEST_ANSWER = 500;

let server: EmbedderDaemon;
beforeAll(async () => {
  server = await startEmbedder();
}, TIMEOUT_MS);
afterAll(() => server[Symbol.asyncDispose]());

/** A text that another client asks for meanwhile, and whether it got its own vector. */
async function neighbour(at: number): Promise<boolean> {
  const { text, vector } = fitting[at] ?? { text: "", vector: [] };
  const [answer] = (await server.embed([`${text}`])).embeddings;
  return cosine(vector, answer) > 0.999;
}

describe("texts that are odd are embedded", () => {
  test.each([
    ["a lone surrogate", '{"model":"minilm","input":["a \\ud83d b","\\udc00","c"]}', 3],
    ["NUL", '{"model":"minilm","input":["a\\u0000b","\\u0000"]}', 2],
    ["empty strings", '{"model":"minilm","input":["","a",""]}', 3],
    ["blanks", '{"model":"minilm","input":["   ","\\n\\t"]}', 2],
    ["words of the model's own", '{"model":"minilm","input":["[CLS] [SEP] [PAD] [MASK] [UNK]"]}', 1],
    ["no texts at all", '{"model":"minilm","input":[]}', 0],
    ["marks without a letter", '{"model":"minilm","input":["\\u0301\\u200b\\ufeff\\u202e"]}', 1],
    ["a letter with 5,000 accents", JSON.stringify({ model: "minilm", input: [`e${"\u0301".repeat(5000)}`] }), 1],
  ])("%s", async (_, body, count) => {
    const response = await server.post("/api/embed", body);
    expect(response.status).toBe(200);
    const { embeddings } = (await response.json()) as { embeddings: number[][] };
    expect(embeddings).toHaveLength(count);
    for (const vector of embeddings) {
      expect(vector).toHaveLength(384);
      expect(Math.abs(Math.hypot(...vector) - 1)).toBeLessThan(1e-4);
    }
  });

  test("a lone surrogate is what stands for it in UTF-8, and changes nothing else", async () => {
    const body = '{"model":"minilm","input":["a \\ud83d b","a \\ufffd b","a b"]}';
    const { embeddings } = (await (await server.post("/api/embed", body)).json()) as { embeddings: number[][] };
    expect(cosine(embeddings[0] ?? [], embeddings[1])).toBeGreaterThan(0.9999);
  });

  test(
    "strings of 1 MB, beside another client's short ones",
    async () => {
      const long = ["word ".repeat(200_000), "x".repeat(1_000_000), "界".repeat(333_333)];
      const [answer, ...well] = await Promise.all([server.embed(long), ...[1, 2, 3, 4].map(neighbour)]);
      expect(answer.embeddings).toHaveLength(3);
      expect(answer.prompt_eval_count).toBeGreaterThan(256);
      expect(answer.prompt_eval_count).toBeLessThanOrEqual(3 * 256);
      expect(well).toEqual([true, true, true, true]);
      // The cut is where it always is: what follows changes nothing.
      const [short] = (await server.embed("word ".repeat(254))).embeddings;
      expect(cosine(answer.embeddings[0] ?? [], short)).toBeGreaterThan(0.999);
    },
    TIMEOUT_MS,
  );

  test(
    "100,000 texts, while another client's are answered",
    async () => {
      const texts = Array.from({ length: 100_000 }, (_, at) => fitting[at % 50]?.text ?? "");
      let done = false;
      const bulk = server.embed(texts).finally(() => {
        done = true;
      });
      let meanwhile = 0;
      while (!done && meanwhile < 20) {
        expect(await neighbour(100 + meanwhile)).toBe(true);
        meanwhile++;
      }
      const { embeddings } = await bulk;
      expect(meanwhile).toBeGreaterThan(0);
      expect(embeddings).toHaveLength(100_000);
      for (let at = 0; at < embeddings.length; at += 997)
        expect(cosine(fitting[at % 50]?.vector ?? [], embeddings[at])).toBeGreaterThan(0.999);
    },
    TIMEOUT_MS,
  );
});

describe("what is no text is refused in words", () => {
  const refused: readonly (readonly [string, string, Readonly<Record<string, unknown>>])[] = [
    ["a number", "/api/embed", { input: 1 }],
    ["an object", "/api/embed", { input: { text: "a" } }],
    ["null among texts", "/api/embed", { input: ["a", null] }],
    ["a list in a list", "/api/embed", { input: [["a"]] }],
    ["token ids", "/api/embed", { input: [1, 2, 3] }],
    ["100,001 texts", "/api/embed", { input: Array.from({ length: 100_001 }, () => "a") }],
    ["a number of dimensions below 0", "/api/embed", { input: "a", dimensions: -1 }],
    ["more dimensions than there are", "/api/embed", { input: "a", dimensions: 385 }],
    ["truncate as a word", "/api/embed", { input: "a", truncate: "maybe" }],
    ["a prompt that is a list", "/api/embeddings", { prompt: ["a"] }],
    ["nothing", "/v1/embeddings", {}],
    ["an empty string", "/v1/embeddings", { input: "" }],
    ["an empty list", "/v1/embeddings", { input: [] }],
    ["a text beside token ids", "/v1/embeddings", { input: ["a", [1]] }],
    ["a token id below 0", "/v1/embeddings", { input: [-1] }],
    ["a token id that is no integer", "/v1/embeddings", { input: [1.5] }],
    ["a token id beyond the vocabulary", "/v1/embeddings", { input: [30_522] }],
    ["a token id beyond all vocabularies", "/v1/embeddings", { input: [2 ** 40] }],
    ["an unknown encoding", "/v1/embeddings", { input: "a", encoding_format: "hex" }],
    ["a text that is too long", "/v1/embeddings", { input: "word ".repeat(1000) }],
    ["a model that cannot embed", "/v1/embeddings", { input: "a", model: "nobody" }],
  ];
  test.each(refused)("%s: %s", async (_, path, body) => {
    const [response, well] = await Promise.all([server.post(path, body), neighbour(7)]);
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
    const text = await response.text();
    const { error } = JSON.parse(text) as { error: string | { message: string } };
    expect(typeof error === "string" ? error : error.message).not.toBe("");
    expect(text.length).toBeLessThan(LONGEST_ANSWER);
    expect(text).not.toContain("/build/");
    expect(well).toBe(true);
  });
});

test("one bad text fails no other client's batch, and no other line of its own bulk", async () => {
  const bad = Array.from({ length: 8 }, () => server.post("/v1/embeddings", { input: [[1, 2], [30_522]] }));
  const good = Array.from({ length: 8 }, (_, at) => neighbour(20 + at));
  expect((await Promise.all(bad)).map(({ status }) => status)).toEqual(bad.map(() => 400));
  expect(await Promise.all(good)).toEqual(good.map(() => true));
  const lines = `${JSON.stringify(fitting[0]?.text)}\n{"text":5}\nnothing\n"\\ud800"\n${JSON.stringify(fitting[1]?.text)}\n`;
  const { status, text } = await server.postLines("/api/embed/bulk", lines);
  expect(status).toBe(200);
  const answers = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(answers.map(({ line, error, done }) => [line ?? done, error !== undefined])).toEqual([
    [1, false],
    [2, true],
    [3, true],
    [4, false],
    [5, false],
    [true, false],
  ]);
  expect(cosine(fitting[0]?.vector ?? [], answers[0].embedding)).toBeGreaterThan(0.999);
  expect(cosine(fitting[1]?.vector ?? [], answers[4].embedding)).toBeGreaterThan(0.999);
});

test("the daemon and its runner took none of it amiss", async () => {
  expect(await neighbour(0)).toBe(true);
  expect(server.daemon.runners()).toHaveLength(1);
  expect(server.daemon.log()).not.toMatch(/runner_crashed|internal/);
});
