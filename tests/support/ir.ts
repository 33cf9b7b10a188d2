/** Model folders in OpenVINO's layout with made-up graphs: enough to be inspected, nothing that runs. */
import { expect } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { inspectModel } from "../../src/models/inspect/inspect.ts";
import { temporaryFolder } from "./demo.ts";

export interface Constant {
  readonly type: string;
  readonly shape: readonly number[];
  /** In bytes. */
  readonly size: number;
}

export interface Graph {
  readonly constants?: readonly Constant[];
  /** rt_info as XML. */
  readonly info?: string;
  /** Name of its output; default "logits". */
  readonly output?: string;
  /** Fused attention operations; default 1. */
  readonly attentions?: number;
}

/** The XML of an IR; its constants lie one behind the other. */
export function irXml({ constants = [], info = "", output = "logits", attentions = 1 }: Graph = {}): string {
  let offset = 0;
  const layers = constants.map(({ type, shape, size }, id) => {
    const data = `<data element_type="${type}" shape="${shape.join(", ")}" offset="${offset}" size="${size}" />`;
    offset += size;
    return `<layer id="${id}" name="c${id}" type="Const" version="opset1">${data}<output><port id="0" precision="FP16"><dim>1</dim></port></output></layer>`;
  });
  const attention = `<layer id="9" name="a" type="ScaledDotProductAttention" version="opset13"><rt_info><attribute name="fused_names" value="x > y" /></rt_info></layer>`;
  const result = `<layer id="8" name="r" type="MatMul" version="opset1"><output><port id="1" precision="FP32" names="a,${output}"><dim>1</dim></port></output></layer><layer id="7" name="o" type="Result" version="opset1" />`;
  return `<?xml version="1.0"?>\n<net name="m" version="11"><layers>${layers.join("\n")}${attention.repeat(attentions)}${result}</layers><edges><edge from-layer="0" from-port="0" to-layer="1" to-port="0" /></edges><rt_info>${info}</rt_info></net>\n`;
}

/** Files by name; `undefined` leaves one out. A graph becomes an .xml and a .bin of the length that it needs. */
export type Files = Readonly<Record<string, string | Uint8Array | Graph | undefined>>;

export const LLM_FILES: Files = {
  "config.json": JSON.stringify({
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    max_position_embeddings: 4096,
    hidden_size: 64,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
  }),
  openvino_model: { constants: [{ type: "f16", shape: [64, 64], size: 8192 }] },
  openvino_tokenizer: {},
  openvino_detokenizer: {},
};

/** Writes a model folder. */
export function writeModel(directory: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    if (content === undefined) continue;
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof content === "string" || content instanceof Uint8Array) writeFileSync(path, content);
    else {
      writeFileSync(`${path}.xml`, irXml(content));
      writeFileSync(`${path}.bin`, Buffer.alloc((content.constants ?? []).reduce((sum, { size }) => sum + size, 0)));
    }
  }
}

/** Inspects a language model with these files in the place of its usual ones. */
export async function inspect(files: Files = {}, damage: (directory: string) => void = () => undefined) {
  using folder = temporaryFolder();
  writeModel(folder.path, { ...LLM_FILES, ...files });
  damage(folder.path);
  return await inspectModel("model:latest", folder.path);
}

/** Why these files are no model that can be served. */
export async function refusal(files: Files, damage?: (directory: string) => void): Promise<string> {
  const error = await inspect(files, damage).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: "ProxyError", code: "model_invalid" });
  expect(String(error)).not.toContain("npu-proxy-test-");
  return (error as Error).message;
}
