/** What the health routes tell, in the field names of their clients. Never a local path. */
import type { ModelKind } from "../core/model.ts";
import type { Placement, RuntimeState, WarmUp } from "../core/ports.ts";
import { type DeviceInfo, deviceClass, type EngineStats } from "../core/request.ts";
import { deviceLabel } from "./device.ts";

/** Of /health: what is loaded that answers, by what it is for. */
export function engines(placements: readonly Placement[], { embeddingCache: cache }: RuntimeState) {
  const of = (...kinds: readonly ModelKind[]) => engine(placements.filter(({ model }) => kinds.includes(model.kind)));
  const embedders = of("embedding");
  const [first] = embedders.loaded;
  return {
    llm: told(of("llm", "vlm")),
    embedding: {
      ...told(embedders),
      model: first?.model.name ?? null,
      device: first ? deviceLabel(first.device) : null,
      dimensions: first?.model.embeddingLength ?? null,
      max_length: first?.contextLength ?? null,
      pooling: first?.model.pooling ?? null,
      cache: cache ?? null,
    },
    rerank: told(of("rerank")),
  };
}

function engine(placements: readonly Placement[]) {
  const is = (...phases: readonly Placement["phase"][]) => placements.filter(({ phase }) => phases.includes(phase));
  const loaded = is("ready", "draining");
  const status = loaded.length > 0 ? "loaded" : is("wanted", "loading").length > 0 ? "loading" : "idle";
  return { status, loaded };
}

function told({ status, loaded }: ReturnType<typeof engine>) {
  return { status, models: [...new Set(loaded.map(({ model }) => model.name))] };
}

export function placementHealth(placement: Placement) {
  return {
    name: placement.model.name,
    device: deviceLabel(placement.device),
    phase: placement.phase,
    context_length: placement.contextLength,
    memory_bytes: placement.memoryBytes,
    running: placement.running,
    waiting: placement.waiting,
    parallel: placement.parallel,
    pinned: placement.pinned,
    engine: placement.stats && engineStats(placement.stats),
  };
}

/** What waits and runs, what memory there is (in bytes), what was warmed up (in ms), and what is left alone for a while. */
export function stateHealth(state: RuntimeState) {
  return {
    queue: { waiting: state.waiting, running: state.running, max: state.maxQueue },
    memory: { available: state.memory.availableBytes, total: state.memory.totalBytes, pressure: state.pressure },
    warmup: { models: state.warmUps.map(warmUpHealth), failures: state.warmUpFailures },
    circuits: state.openCircuits.map(({ model, device, until }) => ({ model, device, until: until.toISOString() })),
  };
}

/** Of /health/devices; degrees Celsius, watts and bytes. */
export function deviceHealth(device: DeviceInfo) {
  return {
    name: device.name,
    label: deviceLabel(device),
    full_name: device.fullName,
    emulated: device.emulated,
    architecture: device.architecture,
    generation: device.generation,
    driver: device.driver,
    firmware: device.firmware,
    memory_bytes: device.memoryBytes,
    precisions: device.precisions,
    temperature: device.temperature,
    power: device.power,
  };
}

/** The first in the order of preference that has a model loaded; null where none has. */
export function activeDevice(placements: readonly Placement[], { fallbackChain }: RuntimeState): string | null {
  const active = placements.filter(({ phase }) => phase === "ready").map(({ device }) => device.name);
  return fallbackChain.find((name) => active.includes(name)) ?? active[0] ?? null;
}

/** Which classes of devices there are. */
export function availability(devices: readonly DeviceInfo[]) {
  const has = (name: string) => devices.some((device) => deviceClass(device.name) === name);
  return { npu_available: has("NPU"), gpu_available: has("GPU"), cpu_available: has("CPU") };
}

function warmUpHealth({ model, device, state, reason, ms }: WarmUp) {
  return { model, device, state, reason: reason ?? null, ms: ms ?? null };
}

function engineStats(stats: EngineStats) {
  return {
    running: stats.running,
    waiting: stats.waiting,
    kv_blocks_reserved: stats.reservedBlocks,
    kv_blocks: stats.maxBlocks,
    kv_cache_usage: stats.cacheUsage,
    prefix_reusable_prompt_tokens: stats.reusablePromptTokens,
    steps: stats.steps,
    step_ns: Math.round(stats.stepNs),
  };
}
