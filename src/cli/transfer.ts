/** One file on its way: how much of it is here, how fast it comes, how long it will take. */
import { withoutControls } from "./output.ts";
import { humanSize } from "./table.ts";

/** Seconds after which a change of the speed shows by two thirds. */
const SPEED_MEMORY = 3;

export class Transfer {
  readonly name: string;
  readonly #began: number;
  /** Bytes that were here when this command first heard of the file: another run's work. */
  #before: number;
  #total: number;
  #completed: number;
  #last: number;
  #speed: number | undefined;

  /** @param now milliseconds of a monotonic clock */
  constructor(name: string, total: number, completed: number, now: number) {
    this.name = withoutControls(name).replace(/\s+/g, " ");
    this.#total = total;
    this.#completed = completed;
    this.#before = completed;
    this.#began = now;
    this.#last = now;
  }

  update(total: number, completed: number, now: number): void {
    const seconds = (now - this.#last) / 1000;
    if (completed < this.#completed)
      this.#before = completed; // it begins again
    else if (seconds > 0) {
      const speed = (completed - this.#completed) / seconds;
      const weight = this.#speed === undefined ? 1 : 1 - Math.exp(-seconds / SPEED_MEMORY);
      this.#speed = (this.#speed ?? 0) * (1 - weight) + speed * weight;
    } else return;
    this.#total = total;
    this.#completed = completed;
    this.#last = now;
  }

  get finished(): boolean {
    return this.#completed >= this.#total;
  }

  /** From 0 to 1. */
  get share(): number {
    return this.#total > 0 ? Math.min(1, this.#completed / this.#total) : 1;
  }

  /** " 56%", rounded down: 100% is the whole. */
  get percent(): string {
    return `${Math.floor(this.share * 100)}%`;
  }

  get size(): string {
    return humanSize(this.#total);
  }

  /** "1.2/2.1 GB": both in the total's unit. */
  get amount(): string {
    const [total = "", unit = ""] = this.size.split(" ");
    const done = this.#total > 0 ? Number(total) * this.share : 0;
    return `${total.includes(".") ? done.toFixed(1) : Math.floor(done)}/${total} ${unit}`;
  }

  /** "34 MB/s": at the moment, or of the whole once it is here; "" where that was less than a second or nothing came. */
  get speed(): string {
    const seconds = (this.#last - this.#began) / 1000;
    const mean = seconds >= 1 ? (this.#completed - this.#before) / seconds : 0;
    const speed = this.finished ? mean : (this.#speed ?? 0);
    return speed >= 1 ? `${humanSize(speed)}/s` : "";
  }

  /** "1m23s" until it is here; "" where that cannot be told. */
  get left(): string {
    if (this.finished || !this.#speed || this.#speed < 1) return "";
    return humanSpan((this.#total - this.#completed) / this.#speed);
  }

  /** "34s" since it began; "" for less than a second. */
  get taken(): string {
    const seconds = (this.#last - this.#began) / 1000;
    return seconds < 1 ? "" : humanSpan(seconds);
  }
}

/** Seconds as "27s", "1m23s", "1h02m", "2d05h". */
export function humanSpan(seconds: number): string {
  const units = [
    ["d", 86_400, "h", 3_600],
    ["h", 3_600, "m", 60],
    ["m", 60, "s", 1],
  ] as const;
  const whole = Math.ceil(seconds);
  const unit = units.find(([, length]) => whole >= length);
  if (!unit) return `${whole}s`;
  const [name, length, inner, innerLength] = unit;
  const rest = Math.floor((whole % length) / innerLength);
  const count = Math.floor(whole / length);
  return count > 99 ? "" : `${count}${name}${String(rest).padStart(2, "0")}${inner}`;
}
