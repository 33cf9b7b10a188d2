import type { Model, Placement } from "../../core/ports.ts";
import { deviceClass } from "../../core/request.ts";
import { deviceLabel } from "../device.ts";

/** Models stay loaded. Clients want a date, and its distance must fit Go's durations (292 years) and Python's years. */
const NEVER = "2222-01-01T00:00:00Z";

/** What listings tell in short; what is not known of a model that was not pulled is "". */
export function details({ recipe, format, family = "", parameterSize, quantization }: Partial<Model>) {
  return {
    parent_model: recipe?.parent ?? "",
    format: format ?? "",
    family,
    families: family === "" ? [] : [family],
    parameter_size: parameterSize ?? "",
    quantization_level: quantization ?? "",
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
    capabilities: model.capabilities,
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
