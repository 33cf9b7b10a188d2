import type { Model, Placement } from "../../core/ports.ts";
import { deviceClass } from "../../core/request.ts";
import { deviceLabel } from "../device.ts";
import { parametersOf } from "./options.ts";

/** Models stay loaded. Clients want a date, and its distance must fit Go's durations (292 years) and Python's years. */
const NEVER = "2222-01-01T00:00:00Z";

function details(model: Model) {
  return {
    parent_model: "",
    format: "openvino",
    family: model.family,
    families: [model.family],
    parameter_size: model.parameterSize,
    quantization_level: model.quantization,
  };
}

/** An entry of /api/tags. */
export function tag(model: Model) {
  return {
    name: model.name,
    model: model.name,
    modified_at: model.modified.toISOString(),
    size: model.size,
    digest: model.digest,
    details: details(model),
  };
}

/** An entry of /api/ps; `size_vram` is what lies outside the CPU: 0 makes Ollama's CLI say "100% CPU". */
export function running(placement: Placement) {
  const { model, device, memoryBytes } = placement;
  const onCpu = device.emulated || deviceClass(device.name) === "CPU";
  return {
    name: model.name,
    model: model.name,
    size: memoryBytes,
    digest: model.digest,
    details: details(model),
    expires_at: NEVER,
    size_vram: onCpu ? 0 : memoryBytes,
    context_length: placement.contextLength,
    processor: deviceLabel(device),
    ...(placement.tuning?.length && { tuning: placement.tuning }),
  };
}

/** /api/show. `requested`: the model as the client named it, which VS Code wants to find again in general.basename. */
export function show(model: Model, requested: string) {
  const parameters = [["num_ctx", String(model.contextLength)] as const, ...parametersOf(model.defaults)];
  const modelfile = [
    `FROM ${model.name}`,
    ...parameters.map(([name, value]) => `PARAMETER ${name} ${value}`),
    `TEMPLATE """${model.chatTemplate}"""`,
  ];
  return {
    modelfile: `${modelfile.join("\n")}\n`,
    parameters: parameters.map(([name, value]) => `${name.padEnd(30)} ${value}`).join("\n"),
    template: model.chatTemplate,
    details: details(model),
    model_info: {
      "general.architecture": model.family,
      "general.basename": requested,
      [`${model.family}.context_length`]: model.contextLength,
      [`${model.family}.embedding_length`]: model.embeddingLength,
    },
    capabilities: ["completion"],
    modified_at: model.modified.toISOString(),
  };
}
