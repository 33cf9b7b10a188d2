/** The models that are loaded before the server says that it is ready. */
import { asProxyError } from "./errors.ts";
import type { Clock, Observer, WarmUp, WarmUpOptions } from "./ports.ts";
import { wishOf } from "./routing/wish.ts";

/** Loads one model and says where. */
export type Load = (name: string, signal: AbortSignal) => Promise<{ readonly device: string }>;

export class WarmUps {
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #load: Load;
  #list: WarmUp[] = [];
  #failures = 0;

  constructor(options: { readonly clock: Clock; readonly observer: Observer; readonly load: Load }) {
    this.#clock = options.clock;
    this.#observer = options.observer;
    this.#load = options.load;
  }

  get list(): readonly WarmUp[] {
    return this.#list;
  }

  /** Warm-ups that failed since the start, those after a load included. */
  get failures(): number {
    return this.#failures;
  }

  get pending(): boolean {
    return this.#list.some(({ state }) => state === "waiting" || state === "loading");
  }

  countFailure(): void {
    this.#failures++;
  }

  /** One model after the other. @throws ProxyError the first failure, where `require` is set; the signal's reason */
  async run({ models, skip, budgetMs, require }: WarmUpOptions, signal: AbortSignal): Promise<void> {
    const skipped = new Set(skip.map((name) => wishOf(name, undefined).model.toLowerCase()));
    this.#list = models.map((name) =>
      skipped.has(wishOf(name, undefined).model.toLowerCase())
        ? { model: name, device: "", state: "skipped", reason: "left out by the settings" }
        : { model: name, device: "", state: "waiting" },
    );
    const until = this.#clock.now() + budgetMs * 1e6;
    for (const [index, { state }] of this.#list.entries()) {
      if (state === "skipped") continue;
      signal.throwIfAborted();
      if (this.#clock.now() >= until)
        this.#set(index, { state: "skipped", reason: "the time for warming up was over" });
      else await this.#one(index, require, signal);
    }
  }

  async #one(index: number, require: boolean, signal: AbortSignal): Promise<void> {
    const started = this.#clock.now();
    this.#set(index, { state: "loading" });
    const model = this.#list[index]?.model ?? "";
    try {
      const { device } = await this.#load(model, signal);
      this.#set(index, { state: "ready", device, ms: Math.round((this.#clock.now() - started) / 1e6) });
      this.#observer.log("info", "warmed up", { ...this.#list[index] });
    } catch (thrown) {
      signal.throwIfAborted();
      const error = asProxyError(thrown);
      this.#failures++;
      this.#set(index, { state: "failed", reason: error.message });
      this.#observer.log("warn", "warm-up failed", {
        model,
        code: error.code,
        reason: error.message,
        detail: error.detail,
      });
      if (require) throw error;
    }
  }

  #set(index: number, change: Partial<WarmUp>): void {
    const before = this.#list[index];
    if (before) this.#list[index] = { ...before, ...change };
  }
}
