/** Core's EncoderEngine over a runner process: questions by number, and a clean error for everyone when it dies. */
import type { EncodedInputs, EncoderEngine, EncoderInput } from "../core/embedding/embedding.ts";
import { asProxyError, ProxyError } from "../core/errors.ts";
import type { Purpose } from "../core/model.ts";
import type { EngineStats, LoadedInfo, Priority } from "../core/request.ts";
import type { FromRunner, ToRunner } from "../core/runner-protocol.ts";
import { type RunnerConnection, remoteError } from "./connection.ts";
import { RunnerHealth } from "./health.ts";

/** Requests end at the inference timeout: an engine that still makes no progress so long after it is stuck. */
const GRACE_MS = 20_000;

type Answer = Extract<FromRunner, { readonly ev: "embedded" | "reranked" }>;

export class EncoderPlacement implements EncoderEngine {
  readonly kind = "encoder";
  readonly info: LoadedInfo;
  readonly closed: Promise<ProxyError | undefined>;
  readonly #connection: RunnerConnection;
  readonly #health: RunnerHealth;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();
  #stats: EngineStats | undefined;
  #gone: ProxyError | undefined;
  #nextId = 1;
  #closing = false;

  /** @param connection of a runner that said `ready` with this info. */
  constructor(connection: RunnerConnection, info: LoadedInfo, inferenceTimeoutMs: number) {
    this.#connection = connection;
    this.info = info;
    const progressWithinMs = inferenceTimeoutMs + GRACE_MS;
    this.#health = new RunnerHealth({
      connection,
      work: {
        busy: () => this.#waiting.size > 0,
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

  get stats(): EngineStats | undefined {
    return this.#stats;
  }

  async embed(
    inputs: readonly EncoderInput[],
    how: { readonly purpose?: Purpose; readonly truncate: boolean; readonly lane: Priority },
    signal: AbortSignal,
  ): Promise<EncodedInputs> {
    const answer = await this.#ask((id) => ({ op: "embed", id, inputs, ...how }), signal);
    if (answer.ev !== "embedded") throw mixedUp();
    const { vectors, dimensions, tokens, truncated } = answer;
    const { buffer, byteOffset, byteLength } = Uint8Array.fromBase64(vectors);
    return { vectors: new Float32Array(buffer, byteOffset, byteLength / 4), dimensions, tokens, truncated };
  }

  async rerank(
    query: string,
    documents: readonly string[],
    how: { readonly lane: Priority },
    signal: AbortSignal,
  ): Promise<{ readonly scores: readonly number[]; readonly tokens: readonly number[] }> {
    const answer = await this.#ask((id) => ({ op: "rerank", id, query, documents, ...how }), signal);
    if (answer.ev !== "reranked") throw mixedUp();
    const { scores, tokens } = answer;
    return { scores, tokens };
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#connection.kill();
    await this.closed;
  }

  async #ask(question: (id: number) => ToRunner, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    if (this.#gone) throw this.#gone;
    const id = this.#nextId++;
    const answer = Promise.withResolvers<Answer>();
    const abort = (): void => {
      if (!this.#waiting.delete(id)) return;
      this.#connection.send({ op: "cancel", id });
      answer.reject(asProxyError(signal.reason));
    };
    signal.addEventListener("abort", abort, { once: true });
    this.#waiting.set(id, answer);
    this.#health.watch();
    this.#connection.send(question(id));
    try {
      return await answer.promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #receive(message: FromRunner): void {
    if (message.ev === "embedded" || message.ev === "reranked") this.#take(message.id)?.resolve(message);
    if (message.ev === "error" && message.id !== undefined) this.#take(message.id)?.reject(remoteError(message));
    if (message.ev === "stats") {
      if (message.stats?.steps !== this.#stats?.steps) this.#health.progressed();
      this.#stats = message.stats;
    }
  }

  #take(id: number): PromiseWithResolvers<Answer> | undefined {
    this.#health.progressed();
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #fail(error: ProxyError): void {
    this.#gone = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

function mixedUp(): ProxyError {
  return new ProxyError("internal_error", "The engine process answered another question than it was asked.");
}
