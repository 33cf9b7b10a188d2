/** The progress of a pull or a create: bars at a terminal, plain lines elsewhere, the server's own lines for --json. */
import { environment } from "../config.ts";
import type { ProgressLine } from "./answers.ts";
import { Bars } from "./bars.ts";
import type { Client } from "./client.ts";
import { print, withoutControls } from "./output.ts";
import { Transfer } from "./transfer.ts";

/** What shows a stream of progress. Its methods throw ReaderLeft. */
export interface Progress {
  /** What is being done besides files; with `stays` what was decided, which nothing that follows wipes away. */
  status(text: string, stays: boolean): Promise<void>;
  /** A file began (its first time), went on, or is here. */
  file(transfer: Transfer): Promise<void>;
  /** Nothing more comes: leaves the screen in order. */
  end(): Promise<void>;
}

/** Least time between two lines that tell only a percentage. */
const QUIET_MS = 10_000;

/** What the server says of the variant that it chose for this machine. */
const DECISION = /^using /;

/** Shows a stream to its end; resolves with its last line. @throws ProxyError what the stream throws */
export async function showProgress(
  lines: Awaited<ReturnType<Client["pull"]>>,
  options: { readonly json: boolean },
): Promise<ProgressLine | undefined> {
  const transfers = new Map<string, Transfer>();
  const atTerminal = process.stdout.isTTY && environment()["TERM"] !== "dumb";
  const progress = atTerminal ? new Bars() : new PlainLines();
  let last: ProgressLine | undefined;
  try {
    for await (const { raw, line } of lines) {
      last = line;
      if (options.json) await print(`${raw}\n`);
      else await tell(line, transfers, progress);
    }
  } finally {
    if (!options.json) await progress.end();
  }
  return last;
}

async function tell(line: ProgressLine, transfers: Map<string, Transfer>, progress: Progress): Promise<void> {
  const { digest, file, total, completed, status } = line;
  if (digest === undefined || total === undefined) {
    if (status !== "" && status !== "success") await progress.status(withoutControls(status), DECISION.test(status));
    return;
  }
  const key = file ?? digest;
  const now = performance.now();
  const transfer = transfers.get(key) ?? new Transfer(file ?? status, total, completed, now);
  transfers.set(key, transfer);
  transfer.update(total, completed, now);
  await progress.file(transfer);
}

/** For pipes and files: a line when a file begins and one when it is here, and now and then how far it is. */
class PlainLines implements Progress {
  readonly #begun = new Set<Transfer>();
  readonly #ended = new Set<Transfer>();
  #quietUntil = 0;
  #status = "";

  async status(text: string): Promise<void> {
    if (text === this.#status) return;
    this.#status = text;
    await print(`${text}\n`);
  }

  async file(transfer: Transfer): Promise<void> {
    const { name, finished, size, speed, left, taken } = transfer;
    const now = performance.now();
    if (this.#ended.has(transfer)) return;
    if (finished) {
      this.#ended.add(transfer);
      await print(`${name}: done, ${size}${taken && ` in ${taken}`}\n`);
    } else if (!this.#begun.has(transfer)) {
      this.#begun.add(transfer);
      this.#quietUntil = Math.max(this.#quietUntil, now + QUIET_MS);
      await print(`${name}: ${transfer.share > 0 ? `from ${transfer.percent} of ` : ""}${size}\n`);
    } else if (now >= this.#quietUntil) {
      this.#quietUntil = now + QUIET_MS;
      const pace = [speed, left && `${left} left`].filter(Boolean).map((text) => `, ${text}`);
      await print(`${name}: ${transfer.percent} of ${size}${pace.join("")}\n`);
    }
  }

  async end(): Promise<void> {}
}
