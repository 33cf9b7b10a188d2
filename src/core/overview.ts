/** What the daemon says of its placements, as `ps` and /health show it. Pure. */

import { keyParts } from "./home.ts";
import type { Model } from "./model.ts";
import type { Clock, Placement, RuntimeState } from "./ports.ts";
import { type Device, deviceClass } from "./request.ts";
import type { RouteSettings } from "./routing/route.ts";
import type { Circuits } from "./scheduling/circuit.ts";
import type { Placements } from "./scheduling/placements.ts";

export function placementsOf(placements: Pick<Placements, "list">, clock: Clock): readonly Placement[] {
  const now = clock.now();
  const wall = clock.date().getTime();
  return placements.list().map(({ home, state, engine }) => ({
    model: home.model,
    device: home.device,
    phase: state.phase,
    contextLength: home.shape.contextLength,
    memoryBytes: engine ? (engine.stats?.memoryBytes ?? engine.info.memoryBytes) : home.model.size,
    running: state.running,
    waiting: state.waiting,
    parallel: state.parallel,
    pinned: state.spec.pinned,
    ...(state.expires !== undefined &&
      Number.isFinite(state.expires) && { expiresAt: new Date(wall + (state.expires - now) / 1e6) }),
    tuning: tuningOf(home.model),
    stats: engine?.stats,
  }));
}

export function openCircuits(circuits: Circuits, clock: Clock): RuntimeState["openCircuits"] {
  const now = clock.now();
  const wall = clock.date().getTime();
  return [...circuits.open(now)].map(([key, until]) => ({
    ...keyParts(key),
    until: new Date(wall + (until - now) / 1e6),
  }));
}

/** The devices of this machine in the order in which they are tried. */
export function fallbackChain(settings: RouteSettings, found: readonly Device[]): readonly Device[] {
  const { device, preferred, fallback } = settings;
  const order = device === "auto" ? [preferred, ...(fallback === "auto" ? [] : [fallback]), "GPU", "CPU"] : [device];
  const named = (name: Device): Device[] => {
    const exact = found.find((one) => one === name);
    const one = exact ?? (name.includes(".") ? undefined : found.find((other) => deviceClass(other) === name));
    return one === undefined ? [] : [one];
  };
  return [...new Set(order.flatMap(named))];
}

function tuningOf({ tuning }: Model): string[] {
  return [...(tuning?.promptLookup ? ["prompt lookup"] : []), ...(tuning?.draft ? [`draft ${tuning.draft.name}`] : [])];
}
