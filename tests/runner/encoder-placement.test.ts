/** Embedders and rerankers in a real runner: vectors and scores as BERT's own arithmetic gives them, whatever is sent. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EncoderEngine, EncoderInput } from "../../src/core/embedding/embedding.ts";
import { ProxyError } from "../../src/core/errors.ts";
import type { Model } from "../../src/core/model.ts";
import type { DeviceInfo } from "../../src/core/request.ts";
import { createEngineHost, type RunnerHost } from "../../src/runner/host.ts";
import { bertForward } from "../support/bert-forward.ts";
import { temporaryFolder } from "../support/demo.ts";
import { type TinyBert, tinyBert, writeTinyBert } from "../support/tiny-bert.ts";

const MOST = 32;
const CPU: DeviceInfo = { name: "CPU", fullName: "CPU", emulated: false };
const NPU: DeviceInfo = { name: "NPU", fullName: "NPU (emulated on CPU)", emulated: true };
const never = new AbortController().signal;
const folder = temporaryFolder();
const embedder = tinyBert("bert");
const judge = tinyBert("bert", 1);
const robertaJudge = tinyBert("roberta", 1);
const pairJudge = tinyBert("bert", 2);
let host: RunnerHost;
const engines: EncoderEngine[] = [];

beforeAll(() => {
  host = createEngineHost({
    command: [process.execPath, join(import.meta.dir, "..", "..", "src", "main.ts")],
    observer: { log: () => undefined },
    limits: { loadTimeoutMs: 60_000, inferenceTimeoutMs: 60_000 },
    emulateNpu: true,
    runtimeDirectory: process.env["NPU_PROXY_RUNTIME_DIR"],
    cacheDirectory: join(folder.path, "cache"),
  });
});
afterAll(async () => {
  await Promise.all(engines.map((engine) => engine.close()));
  await host.close();
  folder[Symbol.dispose]();
});

const folders = new Map<TinyBert, Promise<string>>();

/** The folder of a converted model. */
function converted(bert: TinyBert): Promise<string> {
  const known = folders.get(bert);
  if (known) return known;
  const name = join(folder.path, `model-${folders.size}`);
  writeTinyBert(name, bert);
  mkdirSync(`${name}-ov`);
  const made = host.convertEncoder(name, `${name}-ov`, never).then(() => `${name}-ov`);
  folders.set(bert, made);
  return made;
}

async function load(bert: TinyBert, model: Partial<Model> = {}, device = CPU): Promise<EncoderEngine> {
  const described = {
    name: "tiny",
    directory: await converted(bert),
    digest: "0".repeat(64),
    kind: bert.labels > 0 ? "rerank" : "embedding",
    pooling: "mean",
    embeddingLength: bert.hidden,
    ...model,
  } as Model;
  const plan = { shape: { maxPromptTokens: MOST, contextLength: MOST }, kvTokens: undefined };
  const engine = await host.loadEncoder(described, device, plan, never);
  engines.push(engine);
  return engine;
}

async function vectors(
  engine: EncoderEngine,
  inputs: readonly EncoderInput[],
  how: { readonly purpose?: "query" | "document"; readonly truncate?: boolean } = {},
): Promise<Float32Array[]> {
  const found = await engine.embed(inputs, { truncate: true, lane: "interactive", ...how }, never);
  return found.tokens.map((_, index) =>
    found.vectors.subarray(index * found.dimensions, (index + 1) * found.dimensions),
  );
}

/** Ids of words that the vocabulary has whole. */
function ids(bert: TinyBert, words: string): number[] {
  return words.split(" ").map((word) => {
    const id = bert.vocabulary.indexOf(bert.family === "bert" ? word : `▁${word}`);
    if (id < 0) throw new Error(`The vocabulary lacks ${word}.`);
    return id;
  });
}

const text = (words: string): number[] => [2, ...ids(embedder, words), 3];

function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
    Array.from(a).reduce((sum, number, at) => sum + number * (b[at] ?? 0), 0);
  expect(dot(actual, expected) / Math.sqrt(dot(actual, actual) * dot(expected, expected))).toBeGreaterThan(0.999);
  // Of the same length, too: nobody normalized it.
  expect(Math.sqrt(dot(actual, actual) / dot(expected, expected))).toBeCloseTo(1, 1);
}

function mean(rows: readonly (readonly number[])[]): number[] {
  return (rows[0] ?? []).map((_, at) => rows.reduce((sum, row) => sum + (row[at] ?? 0), 0) / rows.length);
}

async function failure(asked: Promise<unknown>): Promise<ProxyError> {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ProxyError)) throw new Error(`It did not fail as it should: ${String(error)}`);
  return error;
}

const LINES = [
  "hello world",
  "the cat sat on the mat",
  "capital of france",
  "npu",
  "paris the capital of france the capital of paris",
  "dog cat dog cat dog cat dog",
];

describe("an embedder", () => {
  const pools = {
    mean,
    cls: (rows: readonly (readonly number[])[]) => [...(rows[0] ?? [])],
    last: (rows: readonly (readonly number[])[]) => [...(rows.at(-1) ?? [])],
  };
  test.each(["mean", "cls", "last"] as const)("makes one vector of the token vectors: %s", async (pooling) => {
    const engine = await load(embedder, { pooling });
    const found = await vectors(engine, LINES);
    for (const [index, line] of LINES.entries())
      expectClose(found[index] ?? [], pools[pooling](bertForward(embedder, text(line))));
  });

  test("gives the same vectors to token ids, singly, in any order, and to many at once", async () => {
    const engine = await load(embedder);
    const expected = LINES.map((line) => mean(bertForward(embedder, text(line))));
    const asked = Array.from({ length: 200 }, (_, index) => index % LINES.length);
    const pieces = await Promise.all(
      asked.map((line) =>
        line % 2 === 0 ? vectors(engine, [LINES[line] ?? ""]) : vectors(engine, [text(LINES[line] ?? "")]),
      ),
    );
    for (const [index, [vector]] of pieces.entries()) expectClose(vector ?? [], expected[asked[index] ?? 0] ?? []);
    const backwards = (await vectors(engine, LINES.toReversed())).toReversed();
    for (const [index, vector] of backwards.entries()) expectClose(vector, expected[index] ?? []);
  });

  test("cuts what is too long where it may, keeps the last special token, and counts", async () => {
    const engine = await load(embedder);
    const long = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? "cat" : "dog")).join(" ");
    const cut = text(long).slice(0, MOST - 1);
    const how = { truncate: true, lane: "batch" } as const;
    const found = await engine.embed(["hello", long, text(long)], how, never);
    expect(found.tokens).toEqual([3, MOST, MOST]);
    expect(found.truncated).toEqual([1, 2]);
    const expected = mean(bertForward(embedder, [...cut, 3]));
    for (const index of [1, 2]) expectClose(found.vectors.subarray(16 * index, 16 * (index + 1)), expected);
    const exact = await engine.embed([text(long).slice(0, MOST)], how, never);
    expect(exact.truncated).toEqual([]);
  });

  test("refuses what is too long where it may not be cut, with the numbers", async () => {
    const engine = await load(embedder);
    const error = await failure(vectors(engine, ["hello", "cat ".repeat(50)], { truncate: false }));
    expect(error.code).toBe("context_length_exceeded");
    expect(error.param).toBe("input[1]");
    expect(error.message).toContain("has 52 tokens");
    expect(error.message).toContain(`at most ${MOST}`);
  });

  test("puts the model's instruction before a text, and counts it", async () => {
    const engine = await load(embedder, { instructions: { query: "paris " } });
    const [asked, told] = [
      await vectors(engine, ["hello world"], { purpose: "query" }),
      await vectors(engine, ["hello world"], { purpose: "document" }),
    ];
    expectClose(asked[0] ?? [], mean(bertForward(embedder, text("paris hello world"))));
    expectClose(told[0] ?? [], mean(bertForward(embedder, text("hello world"))));
    const how = { purpose: "query", truncate: true, lane: "interactive" } as const;
    expect((await engine.embed(["hello world"], how, never)).tokens).toEqual([5]);
  });

  test("takes empty texts, NUL, half characters and a megabyte", async () => {
    const engine = await load(embedder);
    const odd = ["", "\0", "\ud800 cat", "cat\udc00", "x".repeat(2 ** 20), "cat ".repeat(2 ** 18), " ".repeat(2 ** 20)];
    const found = await engine.embed(odd, { truncate: true, lane: "interactive" }, never);
    expect(found.vectors.every(Number.isFinite)).toBe(true);
    expect(found.tokens[0]).toBe(2);
    expect(found.tokens[5]).toBe(MOST);
    expectClose(found.vectors.subarray(0, 16), mean(bertForward(embedder, [2, 3])));
  });

  test("refuses token ids that it does not have and none at all, and goes on with the others", async () => {
    const engine = await load(embedder);
    const size = embedder.vocabulary.length;
    const bad: EncoderInput[] = [[size], [-1], [2 ** 40], [0.5], []];
    const asked = bad.map((input) => failure(vectors(engine, ["hello", input])));
    const others = LINES.map((line) => vectors(engine, [line]));
    for (const error of await Promise.all(asked)) {
      expect(error).toMatchObject({ code: "invalid_request", param: "input[1]" });
    }
    for (const [index, [vector]] of (await Promise.all(others)).entries())
      expectClose(vector ?? [], mean(bertForward(embedder, text(LINES[index] ?? ""))));
    expect((await failure(vectors(engine, [[size]]))).message).toContain(`0 to ${size - 1}`);
  });

  test("lets go of what was cancelled", async () => {
    const engine = await load(embedder);
    const leaving = new AbortController();
    const lines = Array.from({ length: 64 }, () => "cat dog ".repeat(12));
    const how = { truncate: true, lane: "batch" } as const;
    const asked = Array.from({ length: 8 }, () => failure(engine.embed(lines, how, leaving.signal)));
    leaving.abort();
    for (const error of await Promise.all(asked)) expect(error.code).toBe("client_closed");
    expectClose((await vectors(engine, ["npu"]))[0] ?? [], mean(bertForward(embedder, text("npu"))));
    expect((await failure(engine.embed(lines, how, leaving.signal).catch(closed))).code).toBe("client_closed");
  });

  test("runs on the emulated NPU's static shape", async () => {
    const engine = await load(embedder, {}, NPU);
    const found = await Promise.all(LINES.map((line) => vectors(engine, [line])));
    for (const [index, [vector]] of found.entries())
      expectClose(vector ?? [], mean(bertForward(embedder, text(LINES[index] ?? ""))));
    const long = await engine.embed(["cat ".repeat(50)], { truncate: true, lane: "batch" }, never);
    expect(long.tokens).toEqual([MOST]);
  });
});

/** What abort() without a reason throws before anything is asked. */
function closed(): never {
  throw new ProxyError("client_closed", "closed");
}

describe("what does not load", () => {
  test("vectors of another length than its files promise", async () => {
    const error = await failure(load(embedder, { embeddingLength: 8 }));
    expect(error.code).toBe("model_unfit");
    expect(error.message).toContain("16 numbers");
  });

  test("weights that compute what is no number", async () => {
    const directory = await converted(embedder);
    const broken = join(folder.path, "broken");
    mkdirSync(broken);
    for (const name of readdirSync(directory)) writeFileSync(join(broken, name), readFileSync(join(directory, name)));
    const weights = readFileSync(join(directory, "openvino_model.bin"));
    const words = embedder.weights.get("embeddings.word_embeddings.weight")?.values ?? new Float32Array();
    const table = Buffer.from(Float16Array.from(words).buffer);
    const at = weights.indexOf(table);
    expect(at).toBeGreaterThanOrEqual(0);
    writeFileSync(join(broken, "openvino_model.bin"), weights.fill(0x7e, at, at + table.length)); // NaN in f16
    const error = await failure(load(embedder, { directory: broken }));
    expect(error.code).toBe("model_unfit");
    expect(error.message).toContain("no number");
  });

  test("a folder that is gone, without naming it", async () => {
    const error = await failure(load(embedder, { directory: join(folder.path, "nowhere") }));
    expect(error.code).toBe("model_not_loaded");
    expect(error.message).not.toContain(folder.path);
  });
});

describe("a runner that dies", () => {
  test("is a clean error for everyone who waits", async () => {
    const engine = await load(embedder);
    const lines = Array.from({ length: 64 }, () => "cat dog ".repeat(12));
    const how = { truncate: true, lane: "batch" } as const;
    const asked = Array.from({ length: 4 }, () => failure(engine.embed(lines, how, never)));
    const ended = engine.close();
    for (const error of await Promise.all(asked)) expect(error.code).toBe("runner_crashed");
    await ended;
    expect((await failure(engine.embed(["cat"], how, never))).code).toBe("runner_crashed");
    expect(await engine.closed).toBeUndefined();
  });
});

describe("a reranker", () => {
  const query = "capital of france";
  const documents = ["paris", "the cat sat on the mat", "hello", "paris the capital of france", "dog"];
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

  /** Ids and types of a pair as the model's family joins them. */
  function pair(bert: TinyBert, first: readonly number[], second: readonly number[]): [number[], number[]] {
    if (bert.family === "bert")
      return [
        [2, ...first, 3, ...second, 3],
        [...new Array<number>(first.length + 2).fill(0), ...new Array<number>(second.length + 1).fill(1)],
      ];
    return [[0, ...first, 2, 2, ...second, 2], []];
  }

  test.each([
    ["one label", judge],
    ["two labels", pairJudge],
    ["XLM-RoBERTa", robertaJudge],
  ] as const)("scores as its own arithmetic does, in order: %s", async (_, bert) => {
    const engine = await load(bert);
    const found = await engine.rerank(query, documents, { lane: "interactive" }, never);
    const expected = documents.map((document) => {
      const [logits = []] = bertForward(bert, ...pair(bert, ids(bert, query), ids(bert, document)));
      const [first = 0, second] = logits;
      return second === undefined ? sigmoid(first) : sigmoid(second - first);
    });
    for (const [index, score] of found.scores.entries())
      expect(Math.abs(score - (expected[index] ?? 2))).toBeLessThan(1e-3);
    const order = (scores: readonly number[]): number[] =>
      scores.map((_score, index) => index).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
    expect(order(found.scores)).toEqual(order(expected));
    const special = bert.family === "bert" ? 3 : 4;
    expect(found.tokens).toEqual(documents.map((document) => 3 + document.split(" ").length + special));
  });

  test("cuts the longer text of a pair first", async () => {
    const engine = await load(judge);
    const long = Array.from({ length: 60 }, (_, index) => (index % 3 === 0 ? "cat" : "dog")).join(" ");
    const found = await engine.rerank(query, [long], { lane: "interactive" }, never);
    expect(found.tokens).toEqual([MOST]);
    const kept = ids(judge, long).slice(0, MOST - 3 - 3);
    const [[logit = 0] = []] = bertForward(judge, ...pair(judge, ids(judge, query), kept));
    expect(Math.abs((found.scores[0] ?? 2) - sigmoid(logit))).toBeLessThan(1e-3);
  });

  test("takes empty texts and half characters", async () => {
    const engine = await load(judge);
    const found = await engine.rerank("", ["", "\ud800", "\0", "x".repeat(2 ** 20)], { lane: "batch" }, never);
    for (const score of found.scores) expect(score >= 0 && score <= 1).toBe(true);
  });
});
