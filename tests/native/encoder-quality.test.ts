/** A real embedder behind the real server: its vectors are those of sentence-transformers, and similar texts have similar ones. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type EmbedderDaemon, startEmbedder } from "../support/embedder-daemon.ts";
import { cosine, type Reference, references, shuffled, triples } from "../support/reference-vectors.ts";

const { fitting, longer } = references();
/** No vector may come from the cache: it would be compared twice. */
const UNCACHED = { NPU_PROXY_EMBEDDING_CACHE_SIZE: "0" };
const TIMEOUT_MS = 240_000;

/** The least cosine of any, and which text it is of. */
function worst(texts: readonly Reference[], vectors: readonly (readonly number[])[]): { cosine: number; text: string } {
  expect(vectors).toHaveLength(texts.length);
  return texts
    .map(({ text, vector }, at) => ({ cosine: cosine(vector, vectors[at]), text }))
    .reduce((least, one) => (one.cosine >= least.cosine ? least : one), { cosine: 1, text: "" });
}

const sum = (texts: readonly Reference[]): number => texts.reduce((total, { tokens }) => total + tokens, 0);

/** Each text in a request of its own, eight at once. */
async function singly(server: EmbedderDaemon, texts: readonly Reference[]): Promise<readonly (readonly number[])[]> {
  const vectors: (readonly number[])[] = [];
  const left = texts.entries();
  const line = async (): Promise<void> => {
    for (const [at, { text, tokens }] of left) {
      const answer = await server.embed(text);
      expect(answer.prompt_eval_count).toBe(tokens);
      vectors[at] = answer.embeddings[0] ?? [];
    }
  };
  await Promise.all(Array.from({ length: 8 }, line));
  return vectors;
}

describe("f16 on the CPU", () => {
  let server: EmbedderDaemon;
  beforeAll(async () => {
    server = await startEmbedder(UNCACHED);
  }, TIMEOUT_MS);
  afterAll(() => server[Symbol.asyncDispose]());

  test(
    "1,000 texts in one request, and in another order",
    async () => {
      for (const texts of [fitting, shuffled(fitting)]) {
        const { embeddings, prompt_eval_count } = await server.embed(texts.map(({ text }) => text));
        expect(worst(texts, embeddings).cosine).toBeGreaterThanOrEqual(0.9999);
        expect(prompt_eval_count).toBe(sum(texts));
        expect(embeddings.every((vector) => Math.abs(Math.hypot(...vector) - 1) < 1e-4)).toBe(true);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "1,000 texts, each alone",
    async () => {
      const texts = shuffled(fitting, 2);
      expect(worst(texts, await singly(server, texts)).cosine).toBeGreaterThanOrEqual(0.9999);
    },
    TIMEOUT_MS,
  );

  test(
    "longer ones are cut as sentence-transformers cuts them, or refused",
    async () => {
      const texts = longer.map(({ text }) => text);
      const { embeddings, prompt_eval_count } = await server.embed(texts);
      expect(worst(longer, embeddings).cosine).toBeGreaterThanOrEqual(0.9999);
      expect(prompt_eval_count).toBe(256 * longer.length);
      const refused = await server.post("/api/embed", { input: texts, truncate: false });
      expect(refused.status).toBe(400);
      expect(await refused.json()).toEqual({ error: "the input length exceeds the context length" });
    },
    TIMEOUT_MS,
  );

  test("/v1/embeddings and /api/embeddings tell the same vectors", async () => {
    const texts = fitting.slice(0, 20);
    const input = texts.map(({ text }) => text);
    const openai = await server.post("/v1/embeddings", { input, encoding_format: "base64" });
    const { data } = (await openai.json()) as { data: { index: number; embedding: string }[] };
    const floats = data.map(({ embedding }) => [
      ...new Float32Array(new Uint8Array(Buffer.from(embedding, "base64")).buffer),
    ]);
    expect(data.map(({ index }) => index)).toEqual(texts.map((_, at) => at));
    expect(worst(texts, floats).cosine).toBeGreaterThanOrEqual(0.9999);
    for (const reference of texts.slice(0, 4)) {
      const response = await server.post("/api/embeddings", { prompt: reference.text });
      const { embedding } = (await response.json()) as { embedding: number[] };
      expect(worst([reference], [embedding]).cosine).toBeGreaterThanOrEqual(0.9999);
      // Not of length 1, as the model made them.
      expect(Math.abs(Math.hypot(...embedding) - 1)).toBeGreaterThan(0.01);
    }
  });

  test("similar sentences are closer than unrelated ones", async () => {
    for (const triple of triples()) {
      const [sentence = [], similar, unrelated] = (await server.embed(triple)).embeddings;
      expect(cosine(sentence, similar)).toBeGreaterThan(cosine(sentence, unrelated) + 0.2);
    }
  });

  test("a long s is an s here and a letter of its own for sentence-transformers: a known difference", async () => {
    const [long = [], short] = (await server.embed(["das Haus ist groſs", "das Haus ist gross"])).embeddings;
    expect(cosine(long, short)).toBeGreaterThan(0.9999);
  });
});

test(
  "int8 on the CPU: 1,000 texts and longer ones",
  async () => {
    await using server = await startEmbedder(UNCACHED, "int8");
    const texts = shuffled([...fitting, ...longer]);
    const { embeddings } = await server.embed(texts.map(({ text }) => text));
    expect(worst(texts, embeddings).cosine).toBeGreaterThanOrEqual(0.99);
  },
  TIMEOUT_MS,
);

test(
  "f16 on the emulated NPU: one text in five, and longer ones",
  async () => {
    const settings = { ...UNCACHED, NPU_PROXY_NPU_EMULATION: "cpu", NPU_PROXY_EMBEDDING_DEVICE: "NPU" };
    await using server = await startEmbedder(settings);
    const texts = [...fitting.filter((_, at) => at % 5 === 1), ...longer.slice(0, 4)];
    const response = await server.post("/api/embed", { input: texts.map(({ text }) => text) });
    expect(response.status).toBe(200);
    expect(response.headers.get("X-NPU-Proxy-Execution-Device")).toBe("NPU");
    const { embeddings } = (await response.json()) as { embeddings: number[][] };
    expect(worst(texts, embeddings).cosine).toBeGreaterThanOrEqual(0.999);
  },
  TIMEOUT_MS,
);
