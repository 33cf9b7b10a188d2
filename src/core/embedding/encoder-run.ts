/** A request's work on an encoder: on the best device, and where that fails on the next one, or there once more. */
import { asProxyError, ProxyError } from "../errors.ts";
import { isOfEngine, movesOn, triesAgain } from "../failure.ts";
import type { Model } from "../model.ts";
import type { Observer } from "../ports.ts";
import type { Priority } from "../request.ts";
import type { Candidate, RouteDecision } from "../routing/route.ts";
import type { EmbedRequest, EncoderPlace } from "./embedding.ts";
import { type EncoderRunHost, EncoderVisit } from "./encoder-visit.ts";

export interface EncoderTask {
  readonly request: Omit<EmbedRequest, "inputs" | "truncate" | "dimensions" | "purpose">;
  readonly model: Model;
  readonly lane: Priority;
  readonly decision: RouteDecision;
  /** Clock.now() at the request's arrival, in ns. */
  readonly arrived: number;
}

export class EncoderRun {
  readonly #host: EncoderRunHost & { readonly observer: Observer };
  readonly #task: EncoderTask;
  readonly #signal: AbortSignal;
  readonly #late = new AbortController();

  constructor(host: EncoderRunHost & { readonly observer: Observer }, task: EncoderTask, signal: AbortSignal) {
    this.#host = host;
    this.#task = task;
    this.#signal = AbortSignal.any([signal, this.#late.signal]);
  }

  /**
   * @param attempt is called again where a device failed: what it has already, it need not ask for again
   * @returns where it was done; `visited` is false where the attempt asked nothing of any engine
   * @throws ProxyError what no device could mend
   */
  async run(
    attempt: (candidate: Candidate, visit: EncoderVisit) => Promise<void>,
  ): Promise<EncoderPlace & { readonly candidate: Candidate; readonly visited: boolean }> {
    const { timeoutMs } = this.#task.request;
    const cancel = timeoutMs === undefined ? () => undefined : this.#setDeadline(timeoutMs);
    try {
      return await this.#run(attempt);
    } finally {
      cancel();
    }
  }

  async #run(attempt: (candidate: Candidate, visit: EncoderVisit) => Promise<void>): ReturnType<EncoderRun["run"]> {
    const { model, decision, arrived } = this.#task;
    const plan: Candidate[] = [...decision.candidates];
    const last = plan.at(-1);
    let spare = last ? [last] : [];
    for (let candidate = plan.shift(); candidate; candidate = plan.shift()) {
      const visit = this.#visit(candidate);
      try {
        await attempt(candidate, visit);
        await visit.leave("done");
        if (visit.seated) this.#host.served(model, candidate);
        const { loadedAt } = visit;
        return {
          model,
          candidate,
          visited: visit.visited,
          device: candidate.device,
          routed: decision.routed,
          reason: candidate.reason,
          loadNs: loadedAt === undefined ? 0 : loadedAt - arrived,
        };
      } catch (thrown) {
        const error = await this.#failed(thrown, candidate, visit);
        if (plan.length === 0 && triesAgain(error, visit.seated)) {
          plan.push(...spare);
          spare = [];
        }
        if (plan.length === 0 || !movesOn(error, this.#signal)) throw error;
        this.#host.observer.log("warn", "request moves on", {
          id: this.#task.request.id,
          device: candidate.device.name,
          next: plan[0]?.device.name,
          code: error.code,
        });
      }
    }
    throw new ProxyError("internal_error", "A request had no device to go to.");
  }

  #visit(candidate: Candidate): EncoderVisit {
    const host = this.#host;
    const { request, model, lane, arrived } = this.#task;
    const { client = "", keepAliveMs, timeoutMs } = request;
    const queueMs = Math.min(host.queueMs, timeoutMs ?? host.queueMs);
    const ask = { client, priority: lane, tokens: 1, deadline: arrived + queueMs * 1e6, keepAliveMs };
    return new EncoderVisit({ host, model, candidate, lane, ask }, this.#signal);
  }

  /** What an attempt failed with, after it was told to whom it concerns. */
  async #failed(thrown: unknown, candidate: Candidate, visit: EncoderVisit): Promise<ProxyError> {
    const { model } = this.#task;
    const error = asProxyError(this.#signal.aborted ? this.#signal.reason : thrown);
    if (visit.seated && isOfEngine(error)) this.#host.failed(model, candidate, error);
    else if (visit.visited) this.#host.undecided(model, candidate);
    await visit.leave(this.#signal.aborted ? "left" : error.code === "insufficient_memory" ? "memory" : "failed");
    return error;
  }

  #setDeadline(timeoutMs: number): () => void {
    const { clock, timers } = this.#host;
    const left = timeoutMs - (clock.now() - this.#task.arrived) / 1e6;
    const sentence = `The answer was not complete after ${timeoutMs / 1000} s. The request's X-NPU-Proxy-Timeout sets this time.`;
    return timers.after(Math.max(0, left), () => this.#late.abort(new ProxyError("inference_timeout", sentence)));
  }
}
