/** Ends runners at random moments, as the machine might. */
import type { Daemon } from "../support/daemon.ts";

const SIGNALS = ["SIGKILL", "SIGSEGV", "SIGSTOP"] as const;
/** Between two signals, in ms. A stopped runner is noticed after 15 s at most: others are ended meanwhile. */
const PAUSE = { least: 1000, most: 6000 } as const;

export class Chaos {
  readonly #daemon: Daemon;
  readonly #random: () => number;
  readonly #sent = new Map<string, number>();
  #running = true;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(daemon: Daemon, random: () => number) {
    this.#daemon = daemon;
    this.#random = random;
    this.#next();
  }

  /** Sends no more; returns how many of each signal were sent. */
  stop(): string {
    this.#running = false;
    clearTimeout(this.#timer);
    return [...this.#sent].map(([signal, count]) => `${count} ${signal}`).join(", ") || "no signal";
  }

  #next(): void {
    const pause = PAUSE.least + this.#random() * (PAUSE.most - PAUSE.least);
    this.#timer = setTimeout(() => {
      const runners = this.#daemon.runners();
      const pid = runners[Math.floor(this.#random() * runners.length)];
      const signal = SIGNALS[Math.floor(this.#random() * SIGNALS.length)] ?? "SIGKILL";
      try {
        if (pid !== undefined) process.kill(pid, signal);
        this.#sent.set(signal, (this.#sent.get(signal) ?? 0) + 1);
      } catch {
        // It ended on its own meanwhile.
      }
      if (this.#running) this.#next();
    }, pause);
  }
}
