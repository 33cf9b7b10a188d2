/** Vectors through the runtime: what is computed, what is found, in which order, and for whom. */
import { describe, expect, test } from "bun:test";
import type { EmbedRequest } from "../../src/core/embedding/embedding.ts";
import { failure } from "../support/failure.ts";
import { EMBEDDER, RANKER, vectorOf } from "../support/scripted-encoders.ts";
import { host, MODEL, never } from "../support/scripted-engines.ts";

const request = { id: "req_1", model: "embedder", truncate: true } as const;
const numbered = (count: number, from = 0): string[] => Array.from({ length: count }, (_, n) => `text ${n + from}`);

function world(devices: string[] = ["CPU"], settings: Parameters<typeof host>[3] = {}) {
  const made = host(devices, {}, 1, settings);
  made.shelf.models = [MODEL, EMBEDDER, RANKER];
  const embed = (inputs: EmbedRequest["inputs"], more: Partial<EmbedRequest> = {}, signal = never) =>
    made.runtime.embed({ ...request, ...more, inputs }, signal);
  return { ...made, embed };
}

const plain = (vectors: readonly Float32Array[]): number[][] => vectors.map((vector) => [...vector]);

describe("an answer", () => {
  test("has a vector of each input, in order, and says where it was computed", async () => {
    const { embed, encoders } = world();
    const inputs = ["b", "", [7, 8], "a\0", "x".repeat(60)];
    const answer = await embed(inputs);
    expect(plain(answer.vectors)).toEqual(inputs.map((input) => vectorOf(input)));
    expect(answer).toMatchObject({ tokens: [1, 0, 2, 2, 50], truncated: 1, cached: 0, fallback: false });
    expect([answer.device.name, answer.routed.name, answer.reason]).toEqual(["CPU", "CPU", "requested"]);
    expect([encoders.loads, encoders.plans]).toEqual([
      ["embedder:latest CPU"],
      [
        { shape: { maxPromptTokens: 60, contextLength: 60 }, kvTokens: undefined, needBytes: expect.any(Number) },
      ] as never,
    ]);
  });

  test("without inputs is empty, and its model is loaded", async () => {
    const { embed, encoders } = world();
    expect(await embed([])).toMatchObject({ vectors: [], tokens: [], cached: 0 });
    expect(encoders.loads).toEqual(["embedder:latest CPU"]);
  });

  test("of many inputs comes in pieces, each of a bounded size, few at a time", async () => {
    const { embed, encoders } = world();
    encoders.held = true;
    const inputs = numbered(1000);
    const answer = embed(inputs);
    await encoders.until(4);
    await Bun.sleep(1);
    expect(encoders.open.map(({ inputs }) => inputs.length)).toEqual([64, 64, 64, 64]);
    encoders.release();
    expect(plain((await answer).vectors)).toEqual(inputs.map((input) => vectorOf(input)));
    const long = await embed(["y".repeat(200_000), ...numbered(3, 2000), "z".repeat(40_000), "w".repeat(40_000)]);
    expect(long.vectors).toHaveLength(6);
    expect(encoders.calls.slice(-3).map(({ inputs }) => inputs.length)).toEqual([1, 4, 1]);
  });

  test("of one text a hundred thousand times holds its vector once", async () => {
    const { embed, shelf } = world();
    shelf.models = [{ ...EMBEDDER, shortens: true }];
    const inputs = new Array<string>(100_000).fill("a");
    for (const more of [{}, { dimensions: 2 }]) {
      const { vectors } = await embed(inputs, more);
      expect([vectors.length, new Set(vectors).size]).toEqual([100_000, 1]);
    }
    expect(plain((await embed(["a"])).vectors)).toEqual([vectorOf("a")]);
  });

  test("has the instruction of its purpose, and the model's default where nobody names one", async () => {
    const { embed, encoders, shelf } = world();
    await embed(["a"]);
    await embed(["a"], { purpose: "query" });
    shelf.models = [{ ...EMBEDDER, instructions: { query: "find: ", default: "query" } }];
    await embed(["b"]);
    expect(encoders.calls.map(({ purpose }) => purpose)).toEqual([undefined, "query", "query"]);
  });
});

describe("refused", () => {
  const cases: [what: string, inputs: EmbedRequest["inputs"], more: Partial<EmbedRequest>, message: RegExp][] = [
    ["a model that generates", ["a"], { model: "demo" }, /^this model does not support embeddings$/],
    ["a reranker", ["a"], { model: "ranker" }, /^this model does not support embeddings$/],
    ["token ids that are none", ["a", [1.5]], {}, /Input 1 is neither/],
    ["negative ones", [[-1]], {}, /Input 0 is neither/],
    ["a list of no ids", [[]], {}, /Input 0 is neither/],
    ["too many inputs", new Array<string>(100_001).fill("a"), {}, /100001 inputs.* 100000 at most/],
    [
      "more dimensions than there are",
      ["a"],
      { dimensions: 5 },
      /5 dimensions .* 'embedder:latest' have 4.* 4 or fewer/,
    ],
    ["fewer, of a model without", ["a"], { dimensions: 3 }, /not trained for shorter/],
    ["more than any model has", ["a"], { dimensions: 1e9 }, /65536 at most/],
    ["no number of dimensions", ["a"], { dimensions: 0 }, /whole number/],
  ];
  for (const [what, inputs, more, message] of cases)
    test(what, async () => {
      const { embed, encoders } = world();
      const error = await failure(embed(inputs, more));
      expect(error).toMatchObject({ code: "invalid_request", message: expect.stringMatching(message) });
      expect(encoders.loads).toEqual([]);
    });

  test("a text that is too long and may not be cut, however often it was cut for others", async () => {
    const { embed } = world();
    const long = "x".repeat(51);
    await embed([long]);
    expect(await failure(embed(["a", long], { truncate: false }))).toMatchObject({ code: "context_length_exceeded" });
    expect((await embed([long])).truncated).toBe(1);
  });

  test("by its number in the request, whatever piece it was in and whatever was found already", async () => {
    const { embed, encoders } = world();
    await embed(["text 3", "text 150"]);
    const inputs = numbered(400);
    inputs[200] = "x".repeat(51);
    expect(await failure(embed(inputs, { truncate: false }))).toMatchObject({
      param: "input[200]",
      message: "Input 200: scripted",
    });
    const alone = await failure(embed(["x".repeat(51)], { truncate: false }));
    expect(alone).toMatchObject({ param: "input", message: "scripted" });
    encoders.failures.push("inference_failed", "inference_failed");
    expect(await failure(embed(["b"]))).toMatchObject({ code: "inference_failed", message: "scripted" });
  });

  test("while it stops", async () => {
    const { runtime, embed } = world();
    await runtime.close(never);
    expect(await failure(embed(["a"]))).toMatchObject({ code: "shutting_down" });
  });
});

describe("dimensions", () => {
  test("the beginning of the vector, of length 1, where the model was trained for that", async () => {
    const { embed, shelf } = world();
    shelf.models = [{ ...EMBEDDER, shortens: true }];
    const [whole, short] = await Promise.all([embed(["a"], { dimensions: 4 }), embed(["a"], { dimensions: 2 })]);
    expect(plain(whole.vectors)).toEqual([vectorOf("a")]);
    const [x = 0, y = 0] = vectorOf("a");
    const length = Math.hypot(x, y);
    const [got] = plain(short.vectors);
    expect(got).toHaveLength(2);
    expect(got?.[0]).toBeCloseTo(x / length, 6);
    expect(got?.[1]).toBeCloseTo(y / length, 6);
  });

  test("a model that does not tell its own is asked, then judged", async () => {
    const { embed, shelf } = world();
    shelf.models = [{ ...EMBEDDER, embeddingLength: 0 }];
    expect(await failure(embed(["a"], { dimensions: 9 }))).toMatchObject({ code: "invalid_request" });
    expect((await embed(["a"], { dimensions: 4 })).vectors[0]).toHaveLength(4);
  });
});

describe("what was computed before", () => {
  test("is not computed again, and is counted", async () => {
    const { embed, encoders, runtime } = world();
    await embed(["a", "b"]);
    const answer = await embed(["b", "c", "a", "b"]);
    expect(plain(answer.vectors)).toEqual(["b", "c", "a", "b"].map((input) => vectorOf(input)));
    expect([answer.cached, answer.tokens]).toEqual([3, [1, 1, 1, 1]]);
    expect(encoders.inputs).toEqual(["a", "b", "c"]);
    expect(runtime.state().embeddingCache).toMatchObject({ entries: 3, hits: 3, misses: 3 });
  });

  test("is answered without loading anything, and keeps what is loaded", async () => {
    const { embed, encoders, time, runtime } = world(["CPU"], { keepAliveMs: 1000 });
    await embed(["a"]);
    for (let i = 0; i < 3; i++) {
      await time.pass(900);
      expect((await embed(["a"])).loadNs).toBe(0);
    }
    expect([encoders.closed, encoders.calls.length]).toEqual([[], 1]);
    await time.pass(1000);
    expect([encoders.closed, runtime.placements()]).toEqual([["CPU"], []]);
    expect((await embed(["a"])).cached).toBe(1);
    expect(encoders.loads).toHaveLength(1);
  });

  test("by another revision, with another instruction, on another device, or of ids is something else", async () => {
    const { embed, encoders, shelf } = world(["CPU", "GPU"]);
    await embed(["1 2"]);
    await embed(["1 2"], { purpose: "query" });
    await embed(["1 2"], { device: "GPU" });
    await embed([[1, 2]]);
    shelf.models = [{ ...EMBEDDER, digest: "d".repeat(64) }];
    await embed(["1 2"]);
    expect(encoders.calls).toHaveLength(5);
    expect((await embed(["1 2"])).cached).toBe(1);
  });

  test("is computed again where it holds what is no number", async () => {
    const { embed, encoders } = world();
    encoders.vectors.push([1, Number.NaN, 1, 1]);
    expect(plain((await embed(["a"])).vectors)).toEqual([[1, Number.NaN, 1, 1]]);
    expect(plain((await embed(["a"])).vectors)).toEqual([vectorOf("a")]);
  });

  test("is forgotten where nothing is to be remembered", async () => {
    const { embed, encoders } = world(["CPU"], { embedding: { cacheEntries: 0 } });
    expect((await embed(["a", "a"])).cached).toBe(1);
    expect((await embed(["a"])).cached).toBe(0);
    expect(encoders.inputs).toEqual(["a", "a"]);
  });
});

describe("what is computed now", () => {
  test("is computed once, for all who ask", async () => {
    const { embed, encoders } = world();
    encoders.held = true;
    const first = embed(["a", "b"]);
    await encoders.until(1);
    const second = embed(["b", "c"]);
    await encoders.until(2);
    encoders.release();
    expect([plain((await first).vectors), plain((await second).vectors)]).toEqual([
      [vectorOf("a"), vectorOf("b")],
      [vectorOf("b"), vectorOf("c")],
    ]);
    expect([encoders.inputs, (await first).cached, (await second).cached]).toEqual([["a", "b", "c"], 0, 1]);
  });

  test("whose asker leaves, or fails, is computed by who waits for it", async () => {
    for (const how of ["leaves", "fails"]) {
      const { embed, encoders } = world();
      encoders.held = true;
      const leaving = new AbortController();
      const first = failure(embed(["a"], {}, leaving.signal));
      await encoders.until(1);
      const second = embed(["a"]);
      await Bun.sleep(1);
      expect(encoders.open).toHaveLength(1);
      if (how === "leaves") leaving.abort();
      else encoders.open[0]?.end("invalid_request");
      expect(await first).toMatchObject({ code: how === "leaves" ? "client_closed" : "invalid_request" });
      await encoders.until(1);
      encoders.release();
      expect([plain((await second).vectors), (await second).cached]).toEqual([[vectorOf("a")], 0]);
    }
  });

  test("in a bulk is not waited for by a single query", async () => {
    const { embed, encoders } = world();
    encoders.held = true;
    const bulk = embed(numbered(64));
    await encoders.until(1);
    const query = embed(["text 5"]);
    await encoders.until(2);
    expect(encoders.open.map(({ lane }) => lane)).toEqual(["batch", "interactive"]);
    encoders.open[1]?.end();
    expect(plain((await query).vectors)).toEqual([vectorOf("text 5")]);
    encoders.release();
    expect((await bulk).vectors).toHaveLength(64);
  });

  test("is waited for without a place that its asker may need", async () => {
    const { embed, encoders, runtime } = world();
    await embed(["x"]);
    while (runtime.placements()[0]?.parallel !== 1) {
      encoders.failures.push("insufficient_memory");
      await embed([`halves ${encoders.calls.length}`]);
    }
    encoders.held = true;
    const bulk = embed([...numbered(5 * 64), "c"]); // looks at "c" once a piece of it is done
    await encoders.until(4);
    const query = embed(["c"]);
    await Bun.sleep(1);
    expect(runtime.placements()[0]).toMatchObject({ running: 1, waiting: 1 });
    encoders.release();
    expect(plain((await query).vectors)).toEqual([vectorOf("c")]);
    expect((await bulk).cached).toBe(1);
  });
});
