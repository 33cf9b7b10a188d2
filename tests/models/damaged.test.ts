import { describe, expect, test } from "bun:test";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { inspectModel } from "../../src/models/inspect/inspect.ts";
import { copyDemo, temporaryFolder } from "../support/demo.ts";
import { type Files, inspect, irXml, refusal } from "../support/ir.ts";

describe("hostile and damaged folders", () => {
  const net = (inside: string): string => `<?xml version="1.0"?><net name="m">${inside}</net>`;
  const constant = (attributes: string): string =>
    net(`<layers><layer type="Const"><data ${attributes} /></layer><layer type="Result" /></layers>`);
  const xml = (content: string): Files => ({
    "openvino_model.xml": content,
    "openvino_model.bin": "",
    openvino_model: undefined,
  });
  const cases: [what: string, files: Files, says: RegExp][] = [
    [
      "an offset beyond all numbers",
      xml(constant('element_type="f16" shape="1,2" offset="99999999999999999999" size="4"')),
      /impossible sizes/,
    ],
    ["a negative size", xml(constant('element_type="f16" shape="1,2" offset="0" size="-4"')), /impossible sizes/],
    ["a shape of text", xml(constant('element_type="f16" shape="1,x" offset="0" size="0"')), /impossible sizes/],
    [
      "2^100 weights",
      xml(constant(`element_type="f16" shape="${2 ** 50},${2 ** 50}" offset="0" size="0"`)),
      /impossible shapes/,
    ],
    [
      "more weights than its .bin has",
      xml(constant('element_type="f16" shape="1,2" offset="0" size="4"')),
      /has 0 bytes where its weights need 4/,
    ],
    ["an XML that is a page", xml("<html><body></body></html>"), /no OpenVINO model/],
    ["an empty XML", xml(""), /no OpenVINO model/],
    ["XML that ends within a tag", xml('<net><layers><layer name="a'), /openvino_model\.xml was cut off/],
    ["XML of opening brackets", xml(`<net>${"<".repeat(1 << 20)}`), /cut off/],
    ["a tag of 6 MiB", xml(`<net><layer name="${"x".repeat(6 << 20)}`), /tag without an end/],
    [
      "rt_info as deep as a well",
      xml(net(`<layers></layers><edges></edges><rt_info>${"<a>".repeat(1000)}</rt_info>`)),
      /nested too deeply/,
    ],
    [
      "rt_info with names without an end",
      xml(net(`<layers></layers><edges></edges><rt_info><${"a".repeat(1 << 20)}></rt_info>`)),
      /names that are none/,
    ],
    [
      "JSON as deep as a well",
      { "config.json": `{"a":${"[".repeat(500_000)}${"]".repeat(500_000)}}`, openvino_tokenizer: undefined },
      /config\.json is no JSON|no openvino_tokenizer\.xml/,
    ],
    [
      "a context of no tokens",
      { "config.json": '{"max_position_embeddings":0}' },
      /config\.json says that its context is 0 tokens/,
    ],
    ["half a token of context", { "config.json": '{"max_position_embeddings":0.5}' }, /context is 0\.5 tokens/],
    ["a graph without outputs", xml('<net name="x" version="11"><layers/></net>'), /has no outputs/],
    ["modules that are none", { "modules.json": "{}" }, /modules\.json is no JSON array/],
    ["a pooling that is none", { "1_Pooling/config.json": "[]" }, /1_Pooling\/config\.json is no JSON object/],
    ["a template in no JSON", { "chat_template.json": "{" }, /chat_template\.json is no JSON object/],
    [
      "a vision model without its eyes",
      { openvino_model: undefined, openvino_language_model: {} },
      /no openvino_text_embeddings_model\.xml/,
    ],
  ];
  for (const [what, files, says] of cases)
    test(what, async () => {
      expect(await refusal(files)).toMatch(says);
    });

  const large = ["config.json", "generation_config.json", "openvino_config.json", "tokenizer_config.json"];
  for (const file of large)
    test(`a ${file} of 100 MB is not read`, async () => {
      const grow = (directory: string): void => truncateSync(join(directory, file), 100_000_000);
      expect(await refusal({ [file]: "{}" }, grow)).toMatch(`${file} is larger than 16 MiB`);
    });

  test("a tokenizer's .bin that was cut off is found, too", async () => {
    using folder = temporaryFolder();
    const directory = copyDemo(folder.path, "demo");
    truncateSync(join(directory, "openvino_tokenizer.bin"), 100);
    await expect(inspectModel("demo:latest", directory)).rejects.toMatchObject({
      code: "model_invalid",
      message: expect.stringMatching(
        /openvino_tokenizer\.bin has 100 bytes where its weights need \d+: it was cut off/,
      ),
    });
  });

  test("numbers that no model has count as not told", async () => {
    const model = await inspect({
      "config.json":
        '{"hidden_size":1e300,"num_attention_heads":0,"num_hidden_layers":-5,"head_dim":1e308,"architectures":7}',
      "generation_config.json": '{"temperature":-1,"top_p":7,"top_k":1.5,"repetition_penalty":1e99}',
    });
    expect(model).toMatchObject({
      embeddingLength: 0,
      kvValuesPerToken: 0,
      architecture: "",
      family: "unknown",
      defaults: {},
    });
  });

  test("an XML of tens of megabytes is read whole", async () => {
    const layer = irXml().match(/<layer id="8".*?<\/layer>/)?.[0] ?? "";
    const padding = layer.replace("logits", "x").repeat(120_000);
    const content = irXml({ constants: [{ type: "i8", shape: [8, 8], size: 64 }] }).replace(
      "<layers>",
      `<layers>${padding}`,
    );
    expect(content.length).toBeGreaterThan(15 << 20);
    const bin = { "openvino_model.bin": Buffer.alloc(64) };
    expect(await inspect({ ...xml(content), ...bin })).toMatchObject({
      kind: "llm",
      quantization: "INT8",
      parameters: 64,
    });
  });
});
