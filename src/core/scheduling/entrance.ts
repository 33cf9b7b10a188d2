/** Requests that were read and have no place in a queue yet: their prompts are being counted. */

import { wishOf } from "../routing/wish.ts";
import type { Placements } from "./placements.ts";
import type { Admission } from "./schedule.ts";

export class Entrance {
  readonly #maxQueue: number;
  readonly #placements: Pick<Placements, "list">;
  /** By the model's name. */
  readonly #entering = new Map<string, number>();
  #waiting = 0;

  /** @param maxQueue most requests that wait for one placement */
  constructor(maxQueue: number, placements: Pick<Placements, "list">) {
    this.#maxQueue = maxQueue;
    this.#placements = placements;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** A place for a request of this model, as its client named it; undefined where its placements' queues have none left. */
  admit(name: string): Admission | undefined {
    const model = withTag(wishOf(name, undefined).model);
    const entering = this.#entering.get(model) ?? 0;
    const own = this.#placements.list().filter(({ home }) => home.model.name.toLowerCase() === model);
    const waiting = own.reduce((sum, { state }) => sum + state.waiting, entering);
    if (waiting >= this.#maxQueue * Math.max(1, own.length)) return undefined;
    this.#add(model, 1);
    let released = false;
    return {
      release: () => {
        if (!released) this.#add(model, -1);
        released = true;
      },
    };
  }

  #add(model: string, change: 1 | -1): void {
    const entering = (this.#entering.get(model) ?? 0) + change;
    if (entering > 0) this.#entering.set(model, entering);
    else this.#entering.delete(model);
    this.#waiting += change;
  }
}

/** "demo" is "demo:latest", as listings print it. */
export function withTag(name: string): string {
  const lower = name.toLowerCase();
  return /:[^/]*$/.test(lower) ? lower : `${lower}:latest`;
}
