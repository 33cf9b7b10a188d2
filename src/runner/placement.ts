/** Core's Engine over a runner process: requests, credits, health, and a clean error for everyone when it dies. */
import { Channel } from "../core/channel.ts";
import { asProxyError, ProxyError } from "../core/errors.ts";
import type { Engine, Generation } from "../core/ports.ts";
import {
  DELTA_CREDITS,
  type FromRunner,
  type GenerateEvent,
  type LoadedInfo,
  type Prompt,
  type Sampling,
  type ToRunner,
} from "../core/request.ts";
import type { RunnerConnection } from "./connection.ts";

export interface PlacementLimits {
  /** Longest time without any word from a runner that has work, in ms: then it counts as stuck and is ended. */
  readonly inferenceTimeoutMs: number;
}

/** A runner's main thread does nothing that takes long: one that leaves a question open this long is stopped or hung. */
const ANSWER_WITHIN_MS = 15_000;
const HEALTH_EVERY_MS = 2_000;
/** Credits are given back in one message for this many deltas. */
const CREDIT_STEP = DELTA_CREDITS / 4;

interface Request {
  readonly accepted: PromiseWithResolvers<number>;
  readonly events: Channel<GenerateEvent>;
}

export class RunnerPlacement implements Engine {
  readonly info: LoadedInfo;
  readonly pid: number;
  readonly closed: Promise<ProxyError | undefined>;
  readonly #connection: RunnerConnection;
  readonly #limits: PlacementLimits;
  readonly #requests = new Map<number, Request>();
  readonly #counts = new Map<number, PromiseWithResolvers<number>>();
  #nextId = 1;
  #closing = false;
  #health: ReturnType<typeof setInterval> | undefined;
  #lastAnswer = 0;
  #lastProgress = 0;
  #killedFor: ProxyError | undefined;

  /** @param connection of a runner that said `ready` with this info. */
  constructor(connection: RunnerConnection, info: LoadedInfo, limits: PlacementLimits) {
    this.#connection = connection;
    this.#limits = limits;
    this.info = info;
    this.pid = connection.pid;
    connection.listen((message) => this.#receive(message));
    this.closed = connection.exited.then((reason) => {
      clearInterval(this.#health);
      const error = this.#killedFor ?? reason;
      for (const request of this.#requests.values()) fail(request, error);
      for (const count of this.#counts.values()) count.reject(error);
      this.#requests.clear();
      this.#counts.clear();
      return this.#closing ? undefined : error;
    });
  }

  async generate(prompt: Prompt, sampling: Sampling, signal: AbortSignal): Promise<Generation> {
    signal.throwIfAborted();
    const id = this.#nextId++;
    let taken = 0;
    const leave = (): void => {
      signal.removeEventListener("abort", abort);
      if (this.#requests.delete(id)) this.#send({ op: "cancel", id });
    };
    const request: Request = {
      accepted: Promise.withResolvers<number>(),
      events: new Channel({
        capacity: DELTA_CREDITS + 1,
        onLeave: leave,
        onTake: () => {
          if (++taken % CREDIT_STEP === 0) this.#send({ op: "credit", id, deltas: CREDIT_STEP });
        },
      }),
    };
    const abort = (): void => {
      leave();
      fail(request, asProxyError(signal.reason));
    };
    signal.addEventListener("abort", abort, { once: true });
    this.#requests.set(id, request);
    this.#watch();
    this.#send({ op: "generate", id, prompt, sampling });
    return { promptTokens: await request.accepted.promise, events: request.events };
  }

  async count(prompt: Prompt, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    const id = this.#nextId++;
    const count = Promise.withResolvers<number>();
    const abort = (): void => count.reject(asProxyError(signal.reason));
    signal.addEventListener("abort", abort, { once: true });
    this.#counts.set(id, count);
    this.#watch();
    this.#send({ op: "count", id, prompt });
    try {
      return await count.promise;
    } finally {
      signal.removeEventListener("abort", abort);
      this.#counts.delete(id);
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#connection.kill();
    await this.closed;
  }

  #send(message: ToRunner): void {
    this.#connection.send(message);
  }

  #receive(message: FromRunner): void {
    this.#lastAnswer = performance.now();
    switch (message.ev) {
      case "accepted":
        this.#requests.get(message.id)?.accepted.resolve(message.promptTokens);
        break;
      case "events":
        this.#lastProgress = this.#lastAnswer;
        for (const [id, event] of message.events) this.#deliver(id, event);
        break;
      case "count":
        this.#counts.get(message.id)?.resolve(message.promptTokens);
        break;
      case "error":
        if (message.id !== undefined) this.#refuse(message.id, message);
        break;
      case "started":
      case "ready":
      case "devices":
      case "stats":
        break;
    }
  }

  #deliver(id: number, event: GenerateEvent): void {
    const request = this.#requests.get(id);
    if (!request) return;
    request.events.push(event);
    if (event.type !== "done") return;
    this.#requests.delete(id);
    request.events.close();
  }

  #refuse(id: number, message: Extract<FromRunner, { ev: "error" }>): void {
    const error = new ProxyError(message.code, message.message, {
      ...(message.param !== undefined && { param: message.param }),
      ...(message.detail !== undefined && { detail: message.detail }),
    });
    this.#counts.get(id)?.reject(error);
    const request = this.#requests.get(id);
    if (!request) return;
    this.#requests.delete(id);
    fail(request, error);
  }

  /** While there is work: asks the runner whether it lives, and ends it when it does not answer or does not get on. */
  #watch(): void {
    if (this.#health !== undefined) return;
    this.#lastAnswer = this.#lastProgress = performance.now();
    this.#health = setInterval(() => {
      if (this.#requests.size === 0 && this.#counts.size === 0) {
        clearInterval(this.#health);
        this.#health = undefined;
        return;
      }
      const now = performance.now();
      if (now - this.#lastAnswer > ANSWER_WITHIN_MS)
        this.#endFor(new ProxyError("runner_crashed", "The engine process stopped answering and was ended."));
      else if (now - this.#lastProgress > this.#limits.inferenceTimeoutMs)
        this.#endFor(
          new ProxyError(
            "inference_timeout",
            `The engine made no progress for ${Math.round(this.#limits.inferenceTimeoutMs / 1000)} s and was ended. ` +
              "NPU_PROXY_INFERENCE_TIMEOUT sets this time.",
          ),
        );
      else this.#send({ op: "stats", id: 0 });
    }, HEALTH_EVERY_MS);
  }

  #endFor(reason: ProxyError): void {
    this.#killedFor = reason;
    void this.#connection.kill();
  }
}

function fail(request: Request, error: ProxyError): void {
  request.accepted.promise.catch(() => undefined); // whoever waits for it sees it; nobody else needs to
  request.accepted.reject(error);
  request.events.close(error);
}
