/** Which converter a repository gets, and the running of somebody else's: lines, failures, and nothing left behind. */
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProxyError } from "../../src/core/errors.ts";
import type { ModelKind } from "../../src/core/model.ts";
import { type ConverterOptions, createConverter } from "../../src/models/pull/convert.ts";
import { isAlive, until } from "../support/daemon.ts";
import { temporaryFolder } from "../support/demo.ts";

const BERT = {
  model_type: "bert",
  architectures: ["BertModel"],
  hidden_size: 384,
  num_hidden_layers: 6,
  num_attention_heads: 12,
  max_position_embeddings: 512,
  hidden_act: "gelu",
};
const LLAMA = { model_type: "llama", architectures: ["LlamaForCausalLM"] };

const BERT_FILES = named("config.json", "model.safetensors", "tokenizer.json");
const never = new AbortController().signal;
const own: ConverterOptions["own"] = {
  convertEncoder: async (_, into) => {
    writeFileSync(join(into, "openvino_model.xml"), "<net/>");
    writeFileSync(join(into, "openvino_model.bin"), "weights");
  },
};

function named(...paths: readonly string[]): readonly { readonly path: string; readonly size: number }[] {
  return paths.map((path) => ({ path, size: 1 }));
}

function converter(programs: readonly string[], options: Partial<ConverterOptions> = {}) {
  const which = (program: string): string | null => (programs.includes(program) ? `bin/${program}` : null);
  return createConverter({ own, mode: "auto", which, ...options });
}

describe("the plan", () => {
  test.each([
    ["a BERT", BERT],
    ["a reranker", { ...BERT, architectures: ["BertForSequenceClassification"] }],
    ["an XLM-RoBERTa", { ...BERT, model_type: "xlm-roberta", architectures: ["XLMRobertaModel"], pad_token_id: 1 }],
  ])("%s needs no other tool", (_, config) => {
    expect(converter([]).plan(BERT_FILES, config, "embedding")).toMatchObject({ with: "own" });
    const vocabulary = named("config.json", "model.safetensors", "vocab.txt");
    expect(converter(["uvx"]).plan(vocabulary, config, "embedding")).toMatchObject({ with: "own" });
  });

  test.each([
    ["weights in several files", named("config.json", "model-00001-of-00002.safetensors", "tokenizer.json"), BERT],
    ["no tokenizer", named("config.json", "model.safetensors"), BERT],
    ["relative positions", BERT_FILES, { ...BERT, position_embedding_type: "relative_key" }],
    ["another activation", BERT_FILES, { ...BERT, hidden_act: "swish" }],
    ["another family", BERT_FILES, { ...BERT, model_type: "nomic_bert" }],
    ["no sizes", BERT_FILES, { model_type: "bert" }],
    ["no object", BERT_FILES, null],
    ["a language model", BERT_FILES, LLAMA],
  ])("%s: a tool", (_, files, config) => {
    expect(converter(["uvx"]).plan(files, config, "embedding")).toMatchObject({ with: "uvx" });
  });

  test("optimum-cli before uvx", () => {
    expect(converter(["uvx", "optimum-cli"]).plan(BERT_FILES, LLAMA, "llm", "meta/llama")).toEqual({
      with: "optimum-cli",
      kind: "llm",
      command:
        "optimum-cli export openvino --model meta/llama --task text-generation-with-past --weight-format int4 --sym --group-size 128 DIR",
    });
    expect(converter(["uvx"]).plan(BERT_FILES, LLAMA, "llm", "meta/llama")).toMatchObject({
      with: "uvx",
      command: expect.stringMatching(
        /^uvx --from 'optimum-intel\[openvino\]' optimum-cli export openvino --model meta/,
      ),
    });
  });

  test.each<[ModelKind, string]>([
    ["llm", "text-generation-with-past"],
    ["embedding", "feature-extraction"],
    ["rerank", "text-classification"],
    ["vlm", "image-text-to-text"],
    ["speech", "automatic-speech-recognition-with-past"],
  ])("without a tool for a model of kind %s: the whole command", (kind, task) => {
    const plan = converter([]).plan(BERT_FILES, LLAMA, kind, "org/repo");
    if (plan.with !== "nothing") throw new Error("There was a tool.");
    expect(plan.advice).toContain("neither optimum-cli nor uvx");
    expect(plan.advice).toContain(`optimum-cli export openvino --model org/repo --task ${task}`);
    expect(plan.advice).toContain("npu-proxy import DIR");
  });

  test("off: nothing is converted, not even by ourselves", () => {
    const plan = converter(["uvx"], { mode: "off" }).plan(BERT_FILES, BERT, "embedding", "org/repo");
    if (plan.with !== "nothing") throw new Error("It would convert.");
    expect(plan.advice).toContain("NPU_PROXY_AUTO_CONVERT is off");
    expect(plan.advice).toContain("optimum-cli export openvino --model org/repo --task feature-extraction");
  });
});

/** A folder of a model and one to convert into, with `script` as the optimum-cli on the PATH. */
function withTool(script: string) {
  const folder = temporaryFolder();
  const [from, into, tool] = ["from", join("staging", "into"), "optimum-cli"].map((name) =>
    join(folder.path, name),
  ) as [string, string, string];
  mkdirSync(join(from, "1_Pooling"), { recursive: true });
  for (const name of [
    "config.json",
    "tokenizer.json",
    "LICENSE.txt",
    "model.safetensors",
    join("1_Pooling", "config.json"),
  ])
    writeFileSync(join(from, name), "the hub's");
  writeFileSync(tool, `#!/bin/sh\nfor into; do :; done\n${script}\n`);
  chmodSync(tool, 0o755);
  const conversions = createConverter({ own, mode: "auto", which: (name) => (name === "optimum-cli" ? tool : null) });
  const plan = conversions.plan(BERT_FILES, LLAMA, "llm", "org/repo");
  if (plan.with === "nothing") throw new Error("The tool was not found.");
  return {
    from,
    into,
    conversions,
    plan,
    path: folder.path,
    lines: (signal: AbortSignal = never) => conversions.convert(from, into, plan, signal),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

async function fails(lines: AsyncIterable<string>): Promise<ProxyError> {
  try {
    for await (const _ of lines);
  } catch (error) {
    return error as ProxyError;
  }
  throw new Error("It did not fail.");
}

describe("somebody else's converter", () => {
  test("is told the folders, and its lines come as it prints them", async () => {
    using tool = withTool(
      `printf '%s\\n' "$*"; printf '10%%\\r50%%\\r' >&2; printf '\\033[32mdone\\033[0m'
       echo "<net/>" > "$into/openvino_model.xml"; echo 1 > "$into/openvino_model.bin"; echo own > "$into/config.json"`,
    );
    const lines = await Array.fromAsync(tool.lines());
    expect(lines[0]).toBe(tool.plan.command);
    expect(lines).toContain(
      `export openvino --model ${tool.from} --task text-generation-with-past --weight-format int4 --sym --group-size 128 ${tool.into}`,
    );
    expect(lines.filter((line) => line.endsWith("%"))).toEqual(["10%", "50%"]);
    expect(lines).toContain("done");
    expect(readdirSync(tool.into, { recursive: true }).map(String).sort()).toEqual([
      "1_Pooling",
      "1_Pooling/config.json",
      "LICENSE.txt",
      "config.json",
      "openvino_model.bin",
      "openvino_model.xml",
    ]);
    expect(readFileSync(join(tool.into, "config.json"), "utf8")).toBe("own\n");
  });

  test("fails with what to try by hand, and its half of a model is gone", async () => {
    using tool = withTool(`echo "<net/>" > "$into/openvino_model.xml"; echo "no such architecture" >&2; exit 3`);
    const error = await fails(tool.lines());
    expect(error).toBeInstanceOf(ProxyError);
    expect(error.code).toBe("conversion_failed");
    expect(error.message).toContain("exit code 3");
    expect(error.message).toContain(tool.plan.command);
    expect(error.message).not.toContain(tool.path);
    expect(error.detail).toContain("no such architecture");
    expect(existsSync(tool.into)).toBe(false);
  });

  test("that ends well without a model has failed", async () => {
    using tool = withTool(`echo 1 > "$into/openvino_tokenizer.xml"`);
    expect((await fails(tool.lines())).message).toContain("without an OpenVINO model");
    expect(existsSync(tool.into)).toBe(false);
  });

  test("that does not start is told", async () => {
    using tool = withTool("");
    writeFileSync(join(tool.path, "optimum-cli"), "");
    chmodSync(join(tool.path, "optimum-cli"), 0o600);
    expect((await fails(tool.lines())).message).toContain("does not start");
    expect(existsSync(tool.into)).toBe(false);
  });

  const FOREVER = `sleep 1000 & echo "child $!"; echo "<net/>" > "$into/openvino_model.xml"; wait`;

  test("is cancelled with all that it started", async () => {
    using tool = withTool(FOREVER);
    const leaving = new AbortController();
    let child = 0;
    try {
      for await (const line of tool.lines(leaving.signal)) {
        child = Number(/child (\d+)/.exec(line)?.[1] ?? child);
        if (child) leaving.abort();
      }
      throw new Error("It went on to the end.");
    } catch (error) {
      expect(error).toBe(leaving.signal.reason);
    }
    await until(() => !isAlive(child));
    expect(existsSync(tool.into)).toBe(false);
  });

  test("ends when whoever listens leaves", async () => {
    using tool = withTool(FOREVER);
    let child = 0;
    for await (const line of tool.lines()) {
      child = Number(/child (\d+)/.exec(line)?.[1] ?? child);
      if (child) break;
    }
    await until(() => !isAlive(child));
    expect(existsSync(tool.into)).toBe(false);
  });
});

describe("our own converter", () => {
  test("gets the folders, and what describes the model is copied", async () => {
    using tool = withTool("");
    const plan = converter([]).plan(BERT_FILES, BERT, "embedding");
    if (plan.with === "nothing") throw new Error("It cannot.");
    const lines = await Array.fromAsync(tool.conversions.convert(tool.from, tool.into, plan, never));
    expect(lines).toHaveLength(1);
    expect(readdirSync(tool.into).sort()).toEqual([
      "1_Pooling",
      "LICENSE.txt",
      "config.json",
      "openvino_model.bin",
      "openvino_model.xml",
    ]);
  });

  test("that fails leaves nothing", async () => {
    using tool = withTool("");
    const failure = new ProxyError("conversion_failed", "The weights are damaged.");
    const failing = converter([], {
      own: {
        convertEncoder: async (_, into) => {
          writeFileSync(join(into, "openvino_tokenizer.xml"), "half");
          throw failure;
        },
      },
    });
    const plan = failing.plan(BERT_FILES, BERT, "embedding");
    if (plan.with === "nothing") throw new Error("It cannot.");
    expect(await fails(failing.convert(tool.from, tool.into, plan, never))).toBe(failure);
    expect(existsSync(tool.into)).toBe(false);
  });
});
