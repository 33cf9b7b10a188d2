import type { Model } from "../../core/model.ts";
import type { Placement } from "../../core/ports.ts";
import { deviceClass } from "../../core/request.ts";
import { deviceLabel } from "../device.ts";
import type { ServerOptions } from "../options.ts";

type Told = Pick<Required<ServerOptions>, "clock" | "keepAliveMs">;

/** Of what stays for ever. Clients want a date, and its distance must fit Go's durations (292 years) and Python's years. */
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

/** The entries of /api/ps: what is loaded, and what stays longest first, as Ollama sorts them. */
export function loadedModels(placements: readonly Placement[], told: Told) {
  return placements
    .filter(({ phase }) => phase === "ready" || phase === "draining")
    .map((placement) => running(placement, told))
    .sort((a, b) => Date.parse(b.expires_at) - Date.parse(a.expires_at));
}

/** An entry of /api/ps; `size_vram` is what lies outside the CPU: 0 makes Ollama's CLI say "100% CPU". */
function running(placement: Placement, told: Told) {
  const { model, device, memoryBytes } = placement;
  const onCpu = device.emulated || deviceClass(device.name) === "CPU";
  return {
    name: model.name,
    model: model.name,
    size: memoryBytes,
    digest: model.digest,
    details: details(model),
    expires_at: expiry(placement, told),
    size_vram: onCpu ? 0 : memoryBytes,
    context_length: placement.contextLength,
    // Ours.
    processor: deviceLabel(device),
    phase: placement.phase,
    running: placement.running,
    waiting: placement.waiting,
    pinned: placement.pinned,
    ...(placement.tuning?.length && { tuning: placement.tuning }),
  };
}

/**
 * When it is unloaded if nothing comes. Of one that has work: when that would be if its work ended now. Of one that
 * leaves after its work: now, which Ollama's command line shows as "Stopping...".
 */
function expiry({ phase, expiresAt, pinned, running, waiting }: Placement, { clock, keepAliveMs }: Told): string {
  const now = clock.date();
  if (phase === "draining") return now.toISOString();
  if (expiresAt) return expiresAt.toISOString();
  const stays = pinned || running + waiting === 0 || keepAliveMs === Number.POSITIVE_INFINITY;
  return stays ? NEVER : new Date(now.getTime() + keepAliveMs).toISOString();
}
