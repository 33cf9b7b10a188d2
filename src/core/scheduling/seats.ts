/**
 * Who gets a seat (is loaded), and who makes room for it. Pure: a look at all placements, and what should be done.
 *
 * 1. A device loads one placement at a time. Those with waiting jobs go first, then who needs it longest.
 * 2. An exclusive placement needs its device free of other exclusive ones; every placement needs a free seat.
 * 3. Where there is none, somebody leaves: whoever is leaving already, else who is idle, else who has served at least as
 *    long as its load took and then drains; the least recently used of them. Never a pinned one.
 * 4. A placement that is wanted without a job takes nothing from one that has waiting jobs, and lets a loaded one its
 *    time even when it is idle: its own requests are served elsewhere meanwhile, and two that are wanted by turns would
 *    do nothing but load.
 * 5. Who drains for nobody (they left, or found another seat) serves again.
 */
import { leastRecentlyUsed, type ScheduledPlacement } from "./scheduled-placement.ts";

export interface SeatPlan {
  readonly load: readonly ScheduledPlacement[];
  readonly unload: readonly ScheduledPlacement[];
  readonly drain: readonly ScheduledPlacement[];
  readonly resume: readonly ScheduledPlacement[];
  /** Nobody will ever make room: pinned placements have all seats, or the device. */
  readonly refuse: readonly { readonly placement: ScheduledPlacement; readonly message: string }[];
  /** When somebody may be drained who may not yet; Infinity: nobody waits for that. In ns. */
  readonly wakeAt: number;
}

/** @param maxLoaded most seats; 0: no limit */
export function planSeats(placements: readonly ScheduledPlacement[], maxLoaded: number, now: number): SeatPlan {
  const plan = new Planning(placements, maxLoaded, now);
  for (const candidate of candidates(placements, now)) plan.seat(candidate);
  return plan;
}

/** The next one of each device that loads nothing, in the order in which they are served. */
function candidates(placements: readonly ScheduledPlacement[], now: number): readonly ScheduledPlacement[] {
  const busy = new Set(placements.filter(({ phase }) => phase === "loading").map(({ spec }) => spec.device));
  return placements
    .filter(({ phase, needed, standing }) => phase === "wanted" && needed && standing.notBefore <= now)
    .sort(byNeed)
    .filter(({ spec: { device }, awaits }) => {
      const first = !busy.has(device);
      busy.add(device);
      return first && !awaits;
    });
}

function byNeed(one: ScheduledPlacement, other: ScheduledPlacement): number {
  const jobsFirst = Number(other.waiting > 0) - Number(one.waiting > 0);
  return jobsFirst || (one.rank ?? 0) - (other.rank ?? 0);
}

class Planning implements SeatPlan {
  readonly load: ScheduledPlacement[] = [];
  readonly unload: ScheduledPlacement[] = [];
  readonly drain: ScheduledPlacement[] = [];
  readonly refuse: { placement: ScheduledPlacement; message: string }[] = [];
  wakeAt = Number.POSITIVE_INFINITY;
  readonly #seated: readonly ScheduledPlacement[];
  readonly #maxLoaded: number;
  readonly #now: number;
  /** Those that leave for somebody: each of them makes room for one. */
  readonly #leaving = new Set<ScheduledPlacement>();

  constructor(placements: readonly ScheduledPlacement[], maxLoaded: number, now: number) {
    this.#seated = placements.filter((placement) => placement.seated);
    this.#maxLoaded = maxLoaded;
    this.#now = now;
  }

  get resume(): readonly ScheduledPlacement[] {
    return this.#seated.filter((placement) => placement.phase === "draining" && !this.#leaving.has(placement));
  }

  seat(candidate: ScheduledPlacement): void {
    const { exclusive, device } = candidate.spec;
    const occupants = this.#seated.filter(({ spec }) => exclusive && spec.exclusive && spec.device === device);
    if (occupants.length > 0) this.#makeRoom(candidate, occupants);
    else if (this.#maxLoaded === 0 || this.#seated.length + this.load.length < this.#maxLoaded)
      this.load.push(candidate);
    else this.#makeRoom(candidate, this.#seated);
  }

  /** One of these has to go for the candidate. */
  #makeRoom(candidate: ScheduledPlacement, among: readonly ScheduledPlacement[]): void {
    if (among.every(({ pinned, phase }) => pinned && phase !== "unloading")) {
      this.refuse.push({ placement: candidate, message: refusal(candidate, among !== this.#seated) });
      return;
    }
    const patient = candidate.waiting === 0;
    const free = among.filter((placement) => !this.#leaving.has(placement));
    const movable = free.filter(({ pinned, waiting }) => !pinned && !(patient && waiting > 0));
    const gone = free.find(({ phase }) => phase === "unloading") ?? movable.find(({ phase }) => phase === "draining");
    if (gone) {
      this.#leaving.add(gone);
      return;
    }
    const served = ({ stay }: ScheduledPlacement): boolean => (stay?.residentUntil ?? 0) <= this.#now;
    const ready = movable.filter(({ phase }) => phase === "ready");
    const idle = leastRecentlyUsed(ready.filter((placement) => placement.idle && (!patient || served(placement))));
    const busy = leastRecentlyUsed(ready.filter((placement) => !placement.idle && served(placement)));
    if (idle) this.unload.push(idle);
    else if (busy) this.drain.push(busy);
    else for (const { stay } of ready) this.wakeAt = Math.min(this.wakeAt, stay?.residentUntil ?? this.wakeAt);
    const leaving = idle ?? busy;
    if (leaving) this.#leaving.add(leaving);
  }
}

function refusal({ spec: { model, device } }: ScheduledPlacement, oneOfItsKind: boolean): string {
  return oneOfItsKind
    ? `'${model}' cannot be loaded on ${device}: a pinned model has that device for itself. Unload that one, or name another device.`
    : `'${model}' cannot be loaded on ${device}: pinned models take all of --max-loaded. Unload one of them, or raise it.`;
}
