/** How a model's weights are stored: type, symmetry, and how many share a scale. */
import type { Ir } from "./ir.ts";
import { type Json, jsonObject } from "./json-file.ts";

export interface Quantization {
  /** As Ollama's listings write it: "INT4", "INT8", "F16"; "" where nothing tells. */
  readonly name: string;
  /** Weights that share a scale; -1 is channel-wise. */
  readonly groupSize?: number;
  readonly symmetric?: boolean;
}

const NAMES: Readonly<Record<string, string>> = {
  i4: "INT4",
  u4: "INT4",
  i8: "INT8",
  u8: "INT8",
  i2: "INT2",
  u2: "INT2",
};

/**
 * From the IR: NNCF writes what it did into rt_info ("nncf/weight_compression"); openvino_config.json tells it where that
 * is missing; otherwise the constants do. Claims that no constant bears out are not believed.
 */
export function quantizationOf(ir: Ir, openvinoConfig: Json | undefined): Quantization {
  const own = fromConstants(ir);
  const claims = [claimOfNncf(ir.info), openvinoConfig && quantizationOfConfig(openvinoConfig)];
  const claim = claims.find((candidate) => candidate && holds(ir, candidate.name));
  if (!claim) return own;
  return {
    name: claim.name,
    ...(own.name === claim.name && own),
    ...(claim.groupSize !== undefined && { groupSize: claim.groupSize }),
    ...(claim.symmetric !== undefined && { symmetric: claim.symmetric }),
  };
}

/** openvino_config.json, as optimum-intel writes it: {"quantization_config": {"bits": 4, "sym": true, "group_size": -1}}. */
export function quantizationOfConfig(config: Json): Quantization | undefined {
  const outer = jsonObject(config["quantization_config"]);
  const found = jsonObject(outer?.["default_config"]) ?? outer;
  const bits = found?.["bits"];
  if (bits !== 4 && bits !== 8) return undefined;
  const group = found?.["group_size"];
  const symmetric = found?.["sym"];
  return {
    name: `INT${bits}`,
    ...(isGroupSize(group) && { groupSize: group }),
    ...(typeof symmetric === "boolean" && { symmetric }),
  };
}

function claimOfNncf(info: ReadonlyMap<string, string>): Quantization | undefined {
  const mode = /^int([48])_(a?)sym$/.exec(info.get("nncf/weight_compression/mode") ?? "");
  if (!mode) return undefined;
  const group = Number(info.get("nncf/weight_compression/group_size") ?? Number.NaN);
  return { name: `INT${mode[1]}`, symmetric: mode[2] === "", ...(isGroupSize(group) && { groupSize: group }) };
}

/** Whether at least a tenth of the weights are stored in that type. */
function holds({ weights }: Ir, name: string): boolean {
  let all = 0;
  let named = 0;
  for (const [type, { elements }] of weights) {
    all += elements;
    if (NAMES[type] === name) named += elements;
  }
  return named > 0 && named * 10 >= all;
}

/** The type that most weights are in. Signed weights are symmetric; unsigned ones have zero points. */
function fromConstants({ weights }: Ir): Quantization {
  const [most] = [...weights].sort(([, a], [, b]) => b.elements - a.elements);
  if (!most || most[1].elements === 0) return { name: "" };
  const [type, { groups }] = most;
  const name = NAMES[type];
  if (name === undefined) return { name: type.toUpperCase() };
  const [group] = [...groups].sort(([, a], [, b]) => b - a);
  return { name, symmetric: type.startsWith("i"), ...(group && { groupSize: group[0] }) };
}

function isGroupSize(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && (value === -1 || (value >= 1 && value <= 65_536));
}
