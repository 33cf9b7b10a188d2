/** What a search says of each model: what it is not, and which devices of this machine can run it. */
import { expect, test } from "bun:test";
import { ProxyError } from "../../src/core/errors.ts";
import { GRAPH, searchScene } from "../support/search-scene.ts";

const WEIGHTS = ["config.json", "model.safetensors", "tokenizer.json"];

test.each([
  ["a/plain-int4-ov", GRAPH, [], ["NPU", "GPU", "CPU"]],
  ["a/only-safetensors", WEIGHTS, ["not OpenVINO: will be converted"], []],
  ["a/vocab", ["openvino_tokenizer.xml", "openvino_tokenizer.bin"], ["vocabulary only: no weights"], []],
  ["a/graph-alone", ["openvino_model.xml"], ["not OpenVINO: no weights that can be converted"], []],
  ["a/vocab-gguf", ["ggml-vocab-llama.gguf"], ["vocabulary only: no weights"], ["GPU", "CPU"]],
  ["a/quant-GGUF", ["x-Q4_K_M.gguf"], ["GGUF: served as it is, slower than OpenVINO's own format"], ["GPU", "CPU"]],
  ["a/Qwen3-8B-eagle3-ov", GRAPH, ["a draft model: it only speeds up a larger one"], ["NPU", "GPU", "CPU"]],
  ["a/Phi-3-FastDraft-50M", GRAPH, ["a draft model: it only speeds up a larger one"], ["NPU", "GPU", "CPU"]],
  ["a/Llama-8B-int4-ov", GRAPH, [], ["GPU", "CPU"]],
  ["a/Llama-8B-int4-cw-ov", GRAPH, [], ["NPU", "GPU", "CPU"]],
])("%s", async (id, files, remarks, devices) => {
  using it = await searchScene({ devices: ["NPU", "GPU", "CPU"] });
  it.add(id, files);
  expect(await it.find()).toMatchObject([{ name: id, remarks, devices }]);
});

test("devices that this machine has not are not shown", async () => {
  using it = await searchScene({ devices: ["CPU"] });
  it.add("a/Llama-8B-int4-cw-ov", GRAPH);
  expect((await it.find())[0]?.devices).toEqual(["CPU"]);
  it.reopen({ devices: () => Promise.reject(new ProxyError("runtime_missing", "no runtime")) });
  expect((await it.find())[0]?.devices).toEqual([]);
});
