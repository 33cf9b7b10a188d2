import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ProxyError } from "../../src/core/errors.ts";
import type { DeviceInfo } from "../../src/core/request.ts";
import { createCatalog } from "../../src/models/catalog.ts";
import { formatReference, parseReference } from "../../src/models/reference.ts";

const folder = mkdtempSync(join(tmpdir(), "npu-proxy-catalog-"));
afterAll(() => rmSync(folder, { recursive: true }));

function userFile(content: unknown): string {
  const path = join(mkdtempSync(join(folder, "config-")), "catalog.json");
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const cpu: DeviceInfo = { name: "CPU", fullName: "A processor", emulated: false };
const npu: DeviceInfo = { name: "NPU", fullName: "An NPU", emulated: false };
const emulated: DeviceInfo = { name: "NPU", fullName: "A processor", emulated: true };

const catalog = createCatalog();

describe("the catalogue", () => {
  test("gives every name to one entry", () => {
    const names = catalog
      .entries()
      .flatMap((entry) => [entry.name, ...entry.aliases].map((name) => name.toLowerCase()));
    expect(new Set(names).size).toBe(names.length);
    for (const entry of catalog.entries())
      for (const name of [entry.name, ...entry.aliases]) expect(catalog.find(parseReference(name))).toBe(entry);
  });

  test("prints names with their tag, and repositories that can be pulled", () => {
    for (const { name, repository } of catalog.entries()) {
      expect(formatReference(parseReference(name))).toBe(name);
      expect(formatReference(parseReference(repository))).toBe(`${repository}:latest`);
    }
  });

  test("says of a repository of the OpenVINO organisation what its name says", () => {
    const endings = {
      INT4: /-int4(-sym)?-ov$/,
      "INT4 channel-wise": /-int4-cw-ov$/,
      "INT4 group-wise": /-int4-gq-ov$/,
      INT8: /-int8-ov$/,
      FP16: /-fp16-ov$/,
    };
    const published = catalog
      .entries()
      .filter(({ repository }) => /^OpenVINO\/.*-(int4|int8|fp16)(-\w+)?-ov$/.test(repository));
    expect(published.length).toBeGreaterThan(100);
    for (const { repository, quantization, devices, convert } of published) {
      expect(repository).toMatch(endings[quantization as keyof typeof endings]);
      expect(devices.includes("NPU") || quantization !== "INT4 channel-wise").toBe(true);
      expect(convert).toBeUndefined();
    }
  });

  test("tells the dimensions of embedders and of nothing else", () => {
    for (const { kind, dimensions } of catalog.entries()) expect(dimensions !== undefined).toBe(kind === "embedding");
  });

  test.each([
    ["tinyllama", "OpenVINO/TinyLlama-1.1B-Chat-v1.0-int4-ov"],
    ["tinyllama-1.1b-chat-int4-ov", "OpenVINO/TinyLlama-1.1B-Chat-v1.0-int4-ov"],
    ["tinyllama:fp16", "OpenVINO/TinyLlama-1.1B-Chat-v1.0-fp16-ov"],
    ["tinyllama-fp16", "OpenVINO/TinyLlama-1.1B-Chat-v1.0-fp16-ov"],
    ["phi-2", "OpenVINO/phi-2-int4-ov"],
    ["phi-3", "OpenVINO/Phi-3-mini-4k-instruct-int4-ov"],
    ["phi-3-mini", "OpenVINO/Phi-3-mini-4k-instruct-int4-ov"],
    ["mistral", "OpenVINO/mistral-7b-instruct-v0.1-int4-ov"],
    ["mistral-7b-int4-ov", "OpenVINO/mistral-7b-instruct-v0.1-int4-ov"],
    ["qwen2", "OpenVINO/Qwen2-1.5B-Instruct-int4-ov"],
    ["gemma", "OpenVINO/gemma-2b-it-int4-ov"],
    ["granite-4-micro-ov", "OpenVINO/granite-4-micro-ov"],
    ["all-minilm", "sentence-transformers/all-MiniLM-L6-v2"],
    ["all-minilm-l6-v2", "sentence-transformers/all-MiniLM-L6-v2"],
    ["bge-small", "BAAI/bge-small-en-v1.5"],
    ["bge-base:fp32", "BAAI/bge-base-en-v1.5"],
    ["bge-large", "BAAI/bge-large-en-v1.5"],
    ["e5-small", "intfloat/e5-small-v2"],
    ["e5-large", "intfloat/multilingual-e5-large"],
    ["nomic-embed-text", "nomic-ai/nomic-embed-text-v1.5"],
    ["qwen3-embedding:8b", "Qwen/Qwen3-Embedding-8B"],
  ])("knows %s, as the first npu-proxy did", (name, repository) => {
    expect(catalog.find(parseReference(name))?.repository).toBe(repository);
  });

  test.each(
    "llama2 llama2:13b llama3.2 qwen3 deepseek-r1 smollm3 granite-4-micro bge-base bge-reranker qwen3-embedding:0.6b phi-4-mini whisper qwen3-vl".split(
      " ",
    ),
  )("knows %s", (name) => {
    expect(catalog.find(parseReference(name))).toBeDefined();
  });

  test("knows a name in any case, a repository, and no others", () => {
    const entry = catalog.find(parseReference("tinyllama"));
    expect(catalog.find(parseReference("TinyLlama:Latest"))).toBe(entry);
    expect(catalog.find(parseReference("openvino/tinyllama-1.1b-chat-v1.0-INT4-ov"))).toBe(entry);
    expect(catalog.find(parseReference("tinyllama:q4"))).toBeUndefined();
    expect(catalog.find(parseReference("OpenVINO/tinyllama"))).toBeUndefined();
  });
});

describe("a bare name is the variant for this machine", () => {
  const choose = (name: string, devices: readonly DeviceInfo[]) => {
    const choice = catalog.choose(parseReference(name), devices);
    return [choice?.entry.repository, choice?.reason];
  };

  test("channel-wise INT4 where there is an NPU, emulated or not", () => {
    expect(choose("qwen3", [cpu, npu])).toEqual([
      "OpenVINO/Qwen3-8B-int4-cw-ov",
      "INT4 channel-wise, because this machine's NPU is made for it.",
    ]);
    expect(choose("QWEN3:8b", [emulated])).toEqual([
      "OpenVINO/Qwen3-8B-int4-cw-ov",
      "INT4 channel-wise, because this machine's emulated NPU is made for it.",
    ]);
  });

  test("INT4 where there is none, or no device is known", () => {
    const expected = ["OpenVINO/Qwen3-8B-int4-ov", "INT4, because this machine has no NPU."];
    expect(choose("qwen3", [cpu])).toEqual(expected);
    expect(choose("qwen3", [])).toEqual(expected);
    expect(choose("bge-small", [cpu])).toEqual([
      "BAAI/bge-small-en-v1.5",
      "FP32, because it is published in this form alone.",
    ]);
  });

  test("what runs on the NPU as it is, or the one that does not, said so", () => {
    expect(choose("tinyllama", [npu])).toEqual([
      "OpenVINO/TinyLlama-1.1B-Chat-v1.0-int4-ov",
      "INT4, because it runs on this machine's NPU as it is.",
    ]);
    expect(choose("phi-2", [npu])).toEqual([
      "OpenVINO/phi-2-int4-ov",
      "INT4 for GPU and CPU, because no INT4 channel-wise variant is known that would suit this machine's NPU.",
    ]);
  });

  test("a tag, an alias or a repository that names a variant overrules", () => {
    expect(choose("qwen3:fp16", [npu])).toEqual(["OpenVINO/Qwen3-8B-fp16-ov", "qwen3:fp16 names this variant: FP16."]);
    expect(choose("qwen3:8b-int4", [npu])[0]).toBe("OpenVINO/Qwen3-8B-int4-ov");
    expect(choose("qwen3:int4-cw", [cpu])[0]).toBe("OpenVINO/Qwen3-8B-int4-cw-ov");
    expect(choose("mistral-7b-int4-ov", [npu])[0]).toBe("OpenVINO/mistral-7b-instruct-v0.1-int4-ov");
    expect(choose("OpenVINO/Qwen3-8B-int4-ov", [npu])).toEqual([
      "OpenVINO/Qwen3-8B-int4-ov",
      "OpenVINO/Qwen3-8B-int4-ov names this variant: INT4.",
    ]);
  });

  test("a name that nobody knows is none", () => {
    expect(catalog.choose(parseReference("nobody"), [npu])).toBeUndefined();
  });
});

describe("a misspelt name", () => {
  test.each([
    ["tinylama", ["tinyllama"]],
    ["TINYLLAMMA:latest", ["tinyllama"]],
    ["qwen", ["qwen2", "qwen3", "qwen2.5"]],
    ["bge", ["bge-base", "bge-small", "bge-large"]],
    ["deepseek", ["deepseek-r1"]],
    ["xyzzy-17", []],
    ["someone/phi-2-fp8-ov", []],
    ["x".repeat(10_000), []],
  ])("%p", (name, expected) => {
    expect(catalog.nearest(name)).toEqual(expected);
  });

  test("with a tag or an organisation is told variants or repositories, and the user's own models", () => {
    expect(catalog.nearest("tinyllama:fp61")[0]).toBe("tinyllama:fp16");
    expect(catalog.nearest("OpenVINO/Qwen3-8B-int4-o")[0]).toBe("OpenVINO/Qwen3-8B-int4-ov");
    expect(catalog.nearest("my-modl", ["my-model:latest"])).toEqual(["my-model"]);
  });
});

describe("the user's own catalog.json", () => {
  const model = {
    family: "llama",
    kind: "llm",
    parameterSize: "1B",
    license: "mit",
    variants: [
      { name: "mine", aliases: ["own"], quantization: "INT4", repository: "me/mine-ov", devices: ["GPU", "CPU"] },
      { name: "mine:int4-cw", quantization: "INT4 channel-wise", repository: "me/mine-cw-ov", devices: ["NPU"] },
    ],
  };

  test("adds models that are found and chosen like the others", () => {
    const own = createCatalog({ userFile: userFile({ models: [model] }) });
    expect(own.entries().length).toBe(catalog.entries().length + 2);
    expect(own.entries()[0]).toEqual({
      family: "llama",
      kind: "llm",
      parameterSize: "1B",
      license: "mit",
      name: "mine:latest",
      aliases: ["own"],
      quantization: "INT4",
      repository: "me/mine-ov",
      devices: ["GPU", "CPU"],
    });
    expect(own.choose(parseReference("own"), [npu])?.entry.repository).toBe("me/mine-cw-ov");
    expect(own.find(parseReference("tinyllama"))?.repository).toBe("OpenVINO/TinyLlama-1.1B-Chat-v1.0-int4-ov");
  });

  test("wins over the shipped entry of the same name", () => {
    const variants = [{ ...model.variants[0], name: "TinyLlama", aliases: [] }];
    const own = createCatalog({ userFile: userFile({ models: [{ ...model, variants }] }) });
    expect(own.find(parseReference("tinyllama"))?.repository).toBe("me/mine-ov");
    expect(own.entries().filter(({ name }) => name.toLowerCase() === "tinyllama:latest").length).toBe(1);
    expect(own.choose(parseReference("tinyllama"), [npu])?.entry.repository).toBe("me/mine-ov");
  });

  test("need not exist", () => {
    expect(createCatalog({ userFile: join(folder, "none.json") }).entries()).toEqual(catalog.entries());
  });

  test.each([
    ["{", "it is no JSON"],
    ["null", "its content: "],
    [{}, "models: "],
    [{ models: [{ ...model, kind: "cat" }] }, "models.0.kind: "],
    [{ models: [{ ...model, colour: "red" }] }, "models.0.colour: "],
    [{ models: [{ ...model, variants: [] }] }, "models.0.variants: "],
    [
      { models: [{ ...model, variants: [{ ...model.variants[0], name: "../x" }] }] },
      "models.0.variants.0.name: no name",
    ],
    [
      { models: [{ ...model, variants: [{ ...model.variants[0], repository: "mine" }] }] },
      "models.0.variants.0.repository: no organisation/repository",
    ],
  ])("%j is refused, and where is said", (content, where) => {
    const path = userFile(content);
    const own = createCatalog({ userFile: path });
    let thrown: unknown;
    try {
      own.entries();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ProxyError);
    expect(thrown).toMatchObject({ code: "invalid_setting", detail: path });
    expect((thrown as ProxyError).message).toStartWith(`catalog.json in the config folder: ${where}`);
    expect((thrown as ProxyError).message).not.toContain(folder);
    // Corrected, it is read without a restart.
    writeFileSync(path, JSON.stringify({ models: [model] }));
    expect(own.find(parseReference("mine"))?.repository).toBe("me/mine-ov");
  });
});
