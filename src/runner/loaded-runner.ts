/** What every runner with a model loaded has: it is watched, says how it is, and ends once, with a reason. */
import { ProxyError } from "../core/errors.ts";
import type { EngineStats } from "../core/request.ts";
import type { FromRunner, ToRunner } from "../core/runner-protocol.ts";
import type { RunnerConnection } from "./connection.ts";
import { RunnerHealth } from "./health.ts";

/** Requests are cancelled at the inference timeout: an engine that still makes no progress so long after it is stuck. */
const GRACE_MS = 20_000;

export interface LoadedRunnerOptions {
  /** Of a runner that said `ready`. */
  readonly connection: RunnerConnection;
  readonly inferenceTimeoutMs: number;
  /** True while somebody waits for it. */
  readonly busy: () => boolean;
  readonly receive: (message: FromRunner) => void;
  /** It is gone: whoever waits for it is told. */
  readonly fail: (error: ProxyError) => void;
}

export class LoadedRunner {
  /** Settles when the runner is gone: with the reason where that was not asked for. */
  readonly closed: Promise<ProxyError | undefined>;
  readonly #connection: RunnerConnection;
  readonly #health: RunnerHealth;
  #stats: EngineStats | undefined;
  #gone: ProxyError | undefined;
  #nextId = 1;
  #closing = false;

  constructor({ connection, inferenceTimeoutMs, busy, receive, fail }: LoadedRunnerOptions) {
    this.#connection = connection;
    const progressWithinMs = inferenceTimeoutMs + GRACE_MS;
    this.#health = new RunnerHealth({
      connection,
      work: {
        busy,
        progressWithinMs,
        stuck: () =>
          new ProxyError(
            "inference_timeout",
            `The engine made no progress for ${Math.round(progressWithinMs / 1000)} s and was ended. ` +
              "NPU_PROXY_INFERENCE_TIMEOUT sets this time.",
          ),
      },
    });
    connection.listen((message) => {
      if (message.ev === "stats") this.#keep(message.stats);
      else receive(message);
    });
    const gone = connection.exited.then((reason) => this.#health.verdict ?? reason);
    this.closed = gone.then((error) => (this.#closing ? undefined : error));
    // After whoever waits for `closed`: a request that tries again must find that this engine is no more.
    void this.closed
      .then(() => gone)
      .then((error) => {
        this.#gone = error;
        fail(error);
      });
  }

  /** As it said last. */
  get stats(): EngineStats | undefined {
    return this.#stats;
  }

  /** A number for a new request. @throws the signal's reason; ProxyError where the runner is gone: nobody would end it */
  begin(signal: AbortSignal): number {
    signal.throwIfAborted();
    if (this.#gone) throw this.#gone;
    return this.#nextId++;
  }

  /** Gives it work, which it is watched over from now on. */
  ask(message: ToRunner): void {
    this.#health.watch();
    this.#connection.send(message);
  }

  send(message: ToRunner): void {
    this.#connection.send(message);
  }

  progressed(): void {
    this.#health.progressed();
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#connection.kill();
    await this.closed;
  }

  #keep(stats: EngineStats | undefined): void {
    // A long prompt on CPU or GPU brings no events for minutes; its steps are progress.
    if (stats?.steps !== this.#stats?.steps) this.#health.progressed();
    this.#stats = stats;
  }
}
