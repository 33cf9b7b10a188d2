/** How far `npu-proxy embed` is: one line on the terminal of stderr, drawn over itself. */
import { environment } from "../../config.ts";
import { drawnBar } from "../bars.ts";
import { printError, withoutControls } from "../output.ts";
import { humanCount } from "../table.ts";
import { humanSpan } from "../transfer.ts";

/** Time between two drawings: lines come by the batch, and time passes between batches, too. */
const FRAME_MS = 100;
const BAR = 24;

export class EmbedProgress {
  readonly #name: string;
  /** The input's line that was the last before this run. */
  readonly #begun: number;
  readonly #shown: boolean;
  readonly #count: () => Promise<number | undefined>;
  #total: number | undefined;
  #line: number;
  #started = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param count the lines of the input, where that can be told; not asked where nobody sees it */
  constructor({
    name,
    begun,
    shown,
    count,
  }: {
    readonly name: string;
    readonly begun: number;
    readonly shown: boolean;
    readonly count: () => Promise<number | undefined>;
  }) {
    this.#name = withoutControls(name).replace(/\s+/g, " ");
    this.#begun = begun;
    this.#line = begun;
    this.#shown = shown && process.stderr.isTTY && environment()["TERM"] !== "dumb";
    this.#count = count;
  }

  async begin(): Promise<void> {
    if (!this.#shown) return;
    this.#total = await this.#count();
    this.#started = performance.now();
    await this.#draw();
    this.#timer = setInterval(() => void this.#draw(), FRAME_MS);
  }

  /** The line has its answer. */
  reached(line: number): void {
    this.#line = line;
  }

  /** @param texts where it came to its end: how many have a vector */
  async end(texts?: number): Promise<void> {
    if (!this.#shown) return;
    clearInterval(this.#timer);
    if (texts === undefined) return await printError("\n");
    const seconds = (performance.now() - this.#started) / 1000;
    const sum = texts === 1 ? "1 text" : `${texts} texts`;
    const facts = [`${sum} in ${humanSpan(seconds)}`, this.#rate(texts, seconds)].filter(Boolean).join(", ");
    await printError(`\r${this.#name}: ${facts}\u001b[K\n`);
  }

  async #draw(): Promise<void> {
    const seconds = (performance.now() - this.#started) / 1000;
    const done = this.#line - this.#begun;
    const total = this.#total;
    const facts =
      total === undefined
        ? [`${this.#line} texts`, this.#rate(done, seconds)]
        : [
            drawnBar(total > 0 ? Math.min(1, this.#line / total) : 1, BAR),
            `${total > 0 ? Math.floor((Math.min(this.#line, total) / total) * 100) : 100}%`,
            `${this.#line}/${total} texts`,
            this.#rate(done, seconds),
            done > 0 ? `${humanSpan(((total - this.#line) * seconds) / done)} left` : "",
          ];
    const wide = Math.max(20, (process.stderr.columns || 80) - 1);
    const text = [this.#name, ...facts].filter(Boolean).join("  ");
    await printError(`\r${Bun.sliceAnsi(text, 0, wide)}\u001b[K`);
  }

  #rate(texts: number, seconds: number): string {
    return texts > 0 && seconds > 0 ? `${humanCount(Math.round(texts / seconds))} texts/s` : "";
  }
}
