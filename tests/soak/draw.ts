/** Chances that are the same for the same seed. */
import { generator } from "./traffic.ts";

export class Draw {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = generator(seed);
  }

  chance(share: number): boolean {
    return this.#next() < share;
  }

  between(least: number, most: number): number {
    return least + this.#next() * (most - least);
  }

  whole(least: number, most: number): number {
    return Math.floor(this.between(least, most + 1));
  }

  /** @throws Error where there is none */
  pick<T>(list: readonly T[]): T {
    const index = Math.floor(this.#next() * list.length);
    if (index >= list.length) throw new Error("There is nothing to pick from.");
    return list[index] as T;
  }

  shuffled<T>(list: readonly T[]): T[] {
    return list
      .map((one) => [this.#next(), one] as const)
      .sort(([a], [b]) => a - b)
      .map(([, one]) => one);
  }
}
