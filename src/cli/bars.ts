/** Progress at a terminal: a bar per file, redrawn in place; files that are here scroll up and stay. */
import { print } from "./output.ts";
import type { Progress } from "./progress.ts";
import { wrapped } from "./table.ts";
import type { Transfer } from "./transfer.ts";

/** Least time between two drawings that only move a bar. */
const FRAME_MS = 100;

/** What a row has behind its bar: percent, amount, speed, time left, and two spaces before each. */
const AMOUNT = 11;
const SPEED = 9;
const LEFT = 6;
const FACTS = 2 + 4 + 2 + AMOUNT + 2 + SPEED + 1 + LEFT;
const WIDEST_NAME = 40;
const WIDEST_BAR = 40;

export class Bars implements Progress {
  readonly #underWay = new Set<Transfer>();
  readonly #ended = new Set<Transfer>();
  /** Lines that the next drawing leaves behind for good. */
  #finished: string[] = [];
  #status = "";
  /** How many lines of the last drawing the next one draws over. */
  #height = 0;
  #drawn = Number.NEGATIVE_INFINITY;

  async status(text: string, stays: boolean): Promise<void> {
    if (text === this.#status) return;
    if (stays) this.#finished.push(...wrapped(text, 2).split("\n"));
    else this.#status = text;
    await this.#draw();
  }

  async file(transfer: Transfer): Promise<void> {
    if (this.#ended.has(transfer)) return;
    const news = transfer.finished || !this.#underWay.has(transfer);
    this.#underWay.add(transfer);
    if (transfer.finished) {
      this.#underWay.delete(transfer);
      this.#ended.add(transfer);
      this.#finished.push(row(transfer, width()));
    }
    if (news || performance.now() - this.#drawn >= FRAME_MS) await this.#draw();
  }

  async end(): Promise<void> {
    this.#status = "";
    await this.#draw();
  }

  async #draw(): Promise<void> {
    this.#drawn = performance.now();
    const wide = width();
    const most = Math.max(1, (process.stdout.rows || 24) - 2); // what is scrolled away cannot be drawn over
    const live = [...this.#underWay].map((transfer) => row(transfer, wide)).slice(0, most);
    if (this.#status !== "") live.push(cut(this.#status, wide));
    const up = this.#height > 0 ? `\u001b[${this.#height}A` : "";
    const text = [...this.#finished, ...live].map((line) => `${line}\u001b[K\n`).join("");
    this.#finished = [];
    this.#height = live.length;
    await print(`${up}\r${text}\u001b[J`);
  }
}

/** Columns that a line may take: one less than there are, which no terminal wraps. */
function width(): number {
  return Math.max(20, (process.stdout.columns || 80) - 1);
}

/** "openvino_model.bin   ██████░░░░   56%   1.2/2.1 GB    34 MB/s   27s", as much of it as fits. */
function row(transfer: Transfer, wide: number): string {
  const room = wide - FACTS;
  const name = Math.min(WIDEST_NAME, Math.max(16, Math.ceil(room * 0.62)));
  const bar = Math.min(WIDEST_BAR, room - name - 2);
  const facts = [
    `  ${transfer.percent.padStart(4)}`,
    `  ${(transfer.finished ? transfer.size : transfer.amount).padStart(AMOUNT)}`,
    `  ${transfer.speed.padStart(SPEED)}`,
    ` ${transfer.left.padStart(LEFT)}`,
  ];
  const title = shortened(transfer.name, name);
  const label = title + " ".repeat(Math.max(0, name - Bun.stringWidth(title)));
  if (bar >= 4) return `${label}  ${drawnBar(transfer.share, bar)}${facts.join("")}`.trimEnd();
  let line = label
    .trimEnd()
    .padEnd(Math.min(name, wide - 6))
    .slice(0, wide - 6);
  for (const fact of facts) if (Bun.stringWidth(line + fact) <= wide) line += fact;
  return line.trimEnd();
}

/** A bar of so many columns, filled to a share from 0 to 1. */
export function drawnBar(share: number, length: number): string {
  const full = Math.floor(share * length);
  return "█".repeat(full) + "░".repeat(length - full);
}

/** A sentence cut at its end to so many columns. */
function cut(text: string, most: number): string {
  return Bun.stringWidth(text) <= most ? text : `${Bun.sliceAnsi(text, 0, most - 1)}…`;
}

/** A name cut in its middle to so many columns: names differ at both ends. */
function shortened(text: string, most: number): string {
  if (Bun.stringWidth(text) <= most) return text;
  const letters = [...text];
  const half = Math.floor((most - 1) / 2);
  return `${letters.slice(0, most - 1 - half).join("")}…${letters.slice(letters.length - half).join("")}`;
}
