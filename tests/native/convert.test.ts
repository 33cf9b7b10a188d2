/** Encoders' safetensors to OpenVINO's format, in a real runner: the same tokens and the same numbers as BERT's own arithmetic. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProxyError } from "../../src/core/errors.ts";
import { createEngineHost, type RunnerHost } from "../../src/runner/host.ts";
import { bertForward } from "../support/bert-forward.ts";
import { temporaryFolder } from "../support/demo.ts";
import { type TinyBert, tinyBert, type WeightType, writeTinyBert } from "../support/tiny-bert.ts";
import { AddonHost } from "./addon-host.ts";

const folder = temporaryFolder();
const never = new AbortController().signal;
let runners: RunnerHost;
let addon: AddonHost;

beforeAll(() => {
  addon = new AddonHost();
  runners = createEngineHost({
    command: [process.execPath, join(import.meta.dir, "..", "..", "src", "main.ts")],
    observer: { log: () => undefined },
    limits: { loadTimeoutMs: 60_000, inferenceTimeoutMs: 60_000 },
    emulateNpu: false,
    runtimeDirectory: process.env["NPU_PROXY_RUNTIME_DIR"],
    cacheDirectory: join(folder.path, "cache"),
  });
});
afterAll(async () => {
  await runners.close();
  await addon[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** Folders of a model's safetensors and of what becomes of them. */
function folders(name: string): { directory: string; into: string } {
  const into = join(folder.path, `${name}-converted`);
  mkdirSync(into);
  return { directory: join(folder.path, name), into };
}

async function converted(name: string, bert: TinyBert, type: WeightType = "F32"): Promise<string> {
  const { directory, into } = folders(name);
  writeTinyBert(directory, bert, type);
  await runners.convertEncoder(directory, into, never);
  return into;
}

/** Encodes with a converted tokenizer; the tokens by name. */
async function tokens(directory: string, bert: TinyBert, text: string): Promise<string[]> {
  await addon.call("loadTokenizer", directory);
  return (await addon.call("encode", text, true)).map((id) => bert.vocabulary[id] ?? "?");
}

/** The largest difference between what the converted model computes and what plain arithmetic does. */
async function difference(directory: string, bert: TinyBert, ids: readonly number[]): Promise<number> {
  const output = await addon.call("probe", directory, [...ids]);
  const expected = bertForward(bert, ids).flat();
  expect(output).toHaveLength(expected.length);
  return Math.max(...expected.map((number, index) => Math.abs(number - (output[index] ?? Number.NaN))));
}

describe("numbers", () => {
  const cases: readonly (readonly [string, TinyBert, WeightType])[] = [
    ["bert-f32", tinyBert(), "F32"],
    ["bert-f16", tinyBert(), "F16"],
    ["bert-bf16", tinyBert(), "BF16"],
    ["bert-reranker", tinyBert("bert", 1), "F32"],
    ["bert-labels", tinyBert("bert", 3), "F32"],
    ["xlm-roberta", tinyBert("roberta"), "F32"],
    ["xlm-roberta-reranker", tinyBert("roberta", 1), "F16"],
  ];
  test.each(cases)("%s computes what BERT computes", async (name, bert, type) => {
    const directory = await converted(name, bert, type);
    expect(await difference(directory, bert, [2, 7, 9, 11, 5, 3])).toBeLessThan(1e-5);
    expect(await difference(directory, bert, [2, 3])).toBeLessThan(1e-5);
    expect(
      await difference(
        directory,
        bert,
        Array.from({ length: 30 }, (_, index) => 5 + index),
      ),
    ).toBeLessThan(1e-5);
  });
});

describe("a BERT's tokens", () => {
  const bert = tinyBert();
  let directory: string;
  beforeAll(async () => {
    directory = await converted("tokens", bert);
  });

  test.each([
    ["Hello, WORLD!", "hello , world !"],
    ["Pärís  \t\n cats", "paris cat ##s"],
    ["c\u200bat\u0000 \ufffdsat", "cat sat"],
    ["cat中sat", "cat [UNK] sat"],
    ["the [MASK] sat", "the [MASK] sat"],
    ["the[MASK]sat", "the [MASK] sat"],
    ["wörldy ümlaut", "world ##y u ##m ##l ##a ##u ##t"],
    ["quiz-cat", "q ##u ##i ##z [UNK] cat"],
    [`${"x".repeat(101)} cat ${"ж".repeat(100)}`, "[UNK] cat [UNK]"],
    ["a".repeat(100), `a${" ##a".repeat(99)}`],
    ["5µ ΣΣ σς", "5 ##µ σ ##σ σ ##ς"],
    ["", ""],
    ["   ", ""],
  ])("%j is %j", async (text, expected) => {
    const words = expected === "" ? [] : expected.split(" ");
    expect(await tokens(directory, bert, text)).toEqual(["[CLS]", ...words, "[SEP]"]);
  });

  test("come from vocab.txt alone as well", async () => {
    const { directory: from, into } = folders("vocabulary");
    writeTinyBert(from, bert);
    rmSync(join(from, "tokenizer.json"));
    writeFileSync(join(from, "vocab.txt"), `${bert.vocabulary.join("\n")}\n`);
    await runners.convertEncoder(from, into, never);
    expect(await tokens(into, bert, "Hëllo cats! [MASK]")).toEqual([
      "[CLS]",
      "hello",
      "cat",
      "##s",
      "!",
      "[MASK]",
      "[SEP]",
    ]);
  });

  test("become text again", async () => {
    await addon.call("loadTokenizer", directory);
    const ids = await addon.call("encode", "Hello, cats sat on the mat!", true);
    expect(await addon.call("decode", ids, true)).toBe("hello, cats sat on the mat!");
  });

  test("of a long text are cut at the shortest limit that its files name", () => {
    // The cut is the graph's default; the addon's own tokenizers switch it off.
    const graph = readFileSync(join(directory, "openvino_tokenizer.xml"), "utf8");
    const bin = readFileSync(join(directory, "openvino_tokenizer.bin"));
    const offsets = [...graph.matchAll(/element_type="i32" shape="" offset="(\d+)" size="4"/g)].map(([, at]) =>
      Number(at),
    );
    expect(offsets.map((at) => bin.readInt32LE(at))).toContain(32 - 2);
  });
});

describe("an XLM-RoBERTa's tokens", () => {
  test("are SentencePiece's", async () => {
    const bert = tinyBert("roberta");
    const directory = await converted("pieces", bert);
    expect(await tokens(directory, bert, "  the   cat\tsat!")).toEqual(["<s>", "▁the", "▁cat", "▁sat", "!", "</s>"]);
    expect(await tokens(directory, bert, "ﬁt")).toEqual(["<s>", "▁", "f", "i", "t", "</s>"]);
    expect(await tokens(directory, bert, "cat<pad>")).toEqual(["<s>", "▁cat", "<pad>", "</s>"]);
  });
});

describe("what cannot be converted", () => {
  async function refusal(name: string, damage: (directory: string) => void): Promise<ProxyError> {
    const { directory, into } = folders(name);
    writeTinyBert(directory, tinyBert());
    damage(directory);
    const error = await runners.convertEncoder(directory, into, never).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ProxyError);
    const refused = error as ProxyError;
    expect(refused.code).toBe("conversion_failed");
    expect(refused.message).not.toContain(folder.path);
    expect(readdirSync(into)).not.toContain("openvino_model.bin");
    return refused;
  }

  const rewrite = (file: string, change: (json: Record<string, unknown>) => unknown) => (directory: string) => {
    const path = join(directory, file);
    writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, "utf8")))));
  };

  test.each([
    ["a cut-off file", (d: string) => truncateSync(join(d, "model.safetensors"), 30_000), /outside of it/],
    [
      "a header without end",
      (d: string) => writeFileSync(join(d, "model.safetensors"), "\xff".repeat(40)),
      /longer than/,
    ],
    ["an empty file", (d: string) => writeFileSync(join(d, "model.safetensors"), ""), /longer than/],
    ["a layer too many", rewrite("config.json", (c) => ({ ...c, num_hidden_layers: 3 })), /do not fit its config/],
    ["another width", rewrite("config.json", (c) => ({ ...c, num_attention_heads: 3 })), /no multiple of its heads/],
    ["another architecture", rewrite("config.json", (c) => ({ ...c, model_type: "mpnet" })), /model_type is "mpnet"/],
    [
      "relative positions",
      rewrite("config.json", (c) => ({ ...c, position_embedding_type: "relative_key" })),
      /not absolute/,
    ],
    [
      "a BPE",
      rewrite("tokenizer.json", (t) => ({ ...t, model: { type: "BPE", vocab: {}, merges: [] } })),
      /its model is not/,
    ],
    ["a config that is no JSON", (d: string) => writeFileSync(join(d, "config.json"), "{"), /not an object/],
    ["no tokenizer", (d: string) => rmSync(join(d, "tokenizer.json")), /neither a tokenizer.json nor a vocab.txt/],
  ])("%s is refused with the reason", async (name, damage, reason) => {
    expect((await refusal(name.replaceAll(" ", "-"), damage)).message).toMatch(reason);
  });
});
