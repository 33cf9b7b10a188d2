/** Core's Engine over a runner process: requests, credits, and a clean error for everyone when it dies. */
import { Channel } from "../core/channel.ts";
import { asProxyError, ProxyError } from "../core/errors.ts";
import type { Engine } from "../core/ports.ts";
import type { EncodedPrompt, EngineStats, GenerateEvent, LoadedInfo, Sampling } from "../core/request.ts";
import { DELTA_CREDITS, type FromRunner } from "../core/runner-protocol.ts";
import { type RunnerConnection, remoteError } from "./connection.ts";
import { RunnerHealth } from "./health.ts";

/** Credits are given back in one message for this many deltas. */
const CREDIT_STEP = DELTA_CREDITS / 4;

/** Requests are cancelled at the inference timeout: an engine that still makes no progress so long after it is stuck. */
const GRACE_MS = 20_000;

interface Request {
  readonly channel: Channel<GenerateEvent>;
  onDone(): void;
}

export class RunnerPlacement implements Engine {
  readonly info: LoadedInfo;
  readonly closed: Promise<ProxyError | undefined>;
  #stats: EngineStats | undefined;
  readonly #connection: RunnerConnection;
  readonly #health: RunnerHealth;
  readonly #requests = new Map<number, Request>();
  /** Cancelled, and not yet let go of by the runner: it counts as busy, so that a stuck prefill ends with its process. */
  readonly #leaving = new Set<number>();
  #nextId = 1;
  #closing = false;
  /** Why the runner is no more. */
  #gone: ProxyError | undefined;

  /** @param connection of a runner that said `ready` with this info. */
  constructor(connection: RunnerConnection, info: LoadedInfo, inferenceTimeoutMs: number) {
    this.#connection = connection;
    this.info = info;
    const progressWithinMs = inferenceTimeoutMs + GRACE_MS;
    this.#health = new RunnerHealth({
      connection,
      work: {
        busy: () => this.#requests.size > 0 || this.#leaving.size > 0,
        progressWithinMs,
        stuck: () =>
          new ProxyError(
            "inference_timeout",
            `The engine made no progress for ${Math.round(progressWithinMs / 1000)} s and was ended. ` +
              "NPU_PROXY_INFERENCE_TIMEOUT sets this time.",
          ),
      },
    });
    connection.listen((message) => this.#receive(message));
    const gone = connection.exited.then((reason) => this.#health.verdict ?? reason);
    this.closed = gone.then((error) => (this.#closing ? undefined : error));
    // After whoever waits for `closed`: a request that tries again must find that this engine is no more.
    void this.closed.then(() => gone).then((error) => this.#fail(error));
  }

  generate(
    prompt: EncodedPrompt,
    sampling: Sampling & { readonly maxTokens: number },
    signal: AbortSignal,
    onDone: () => void = () => undefined,
  ): AsyncIterable<GenerateEvent> {
    signal.throwIfAborted();
    if (this.#gone) throw this.#gone; // nobody would ever end it
    const id = this.#nextId++;
    let taken = 0;
    const channel = new Channel<GenerateEvent>({
      capacity: DELTA_CREDITS + 2, // without credit: what was held back, and `done`
      onTake: () => {
        if (++taken % CREDIT_STEP === 0) this.#connection.send({ op: "credit", id, deltas: CREDIT_STEP });
      },
      onLeave: () => {
        if (!this.#requests.delete(id)) return;
        this.#leaving.add(id);
        this.#connection.send({ op: "cancel", id });
      },
      onEnd: () => signal.removeEventListener("abort", abort),
    });
    const abort = (): void => channel.abandon(asProxyError(signal.reason));
    signal.addEventListener("abort", abort, { once: true });
    this.#requests.set(id, { channel, onDone });
    this.#health.watch();
    this.#connection.send({ op: "generate", id, prompt, sampling });
    return channel;
  }

  get stats(): EngineStats | undefined {
    return this.#stats;
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#connection.kill();
    await this.closed;
  }

  #receive(message: FromRunner): void {
    if (message.ev === "events") {
      this.#health.progressed();
      for (const [id, event] of message.events) this.#deliver(id, event);
    }
    if (message.ev === "cancelled") {
      this.#health.progressed();
      this.#leaving.delete(message.id);
    }
    if (message.ev === "stats") {
      // A long prompt on CPU or GPU brings no events for minutes; its steps are progress.
      if (message.stats?.steps !== this.#stats?.steps) this.#health.progressed();
      this.#stats = message.stats;
    }
    if (message.ev === "error" && message.id !== undefined) {
      const request = this.#requests.get(message.id);
      this.#requests.delete(message.id);
      request?.channel.close(remoteError(message));
    }
  }

  #fail(error: ProxyError): void {
    this.#gone = error;
    for (const { channel } of this.#requests.values()) channel.close(error);
    this.#requests.clear();
    this.#leaving.clear();
  }

  #deliver(id: number, event: GenerateEvent): void {
    const request = this.#requests.get(id);
    request?.channel.push(event);
    if (event.type !== "done") return;
    this.#requests.delete(id);
    request?.channel.close();
    request?.onDone();
  }
}
