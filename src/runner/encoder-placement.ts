/** Core's EncoderEngine over a runner process: questions by number, and a clean error for everyone when it dies. */
import type { EncodedInputs, EncoderEngine, EncoderInput } from "../core/embedding/embedding.ts";
import { asProxyError, ProxyError } from "../core/errors.ts";
import type { Purpose } from "../core/model.ts";
import type { EngineStats, LoadedInfo, Priority } from "../core/request.ts";
import type { FromRunner, ToRunner } from "../core/runner-protocol.ts";
import { type RunnerConnection, remoteError } from "./connection.ts";
import { LoadedRunner } from "./loaded-runner.ts";

type Answer = Extract<FromRunner, { readonly ev: "embedded" | "reranked" }>;

export class EncoderPlacement implements EncoderEngine {
  readonly kind = "encoder";
  readonly info: LoadedInfo;
  readonly #runner: LoadedRunner;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();

  /** @param connection of a runner that said `ready` with this info. */
  constructor(connection: RunnerConnection, info: LoadedInfo, inferenceTimeoutMs: number) {
    this.info = info;
    this.#runner = new LoadedRunner({
      connection,
      inferenceTimeoutMs,
      busy: () => this.#waiting.size > 0,
      receive: (message) => this.#receive(message),
      fail: (error) => this.#fail(error),
    });
  }

  get closed(): Promise<ProxyError | undefined> {
    return this.#runner.closed;
  }

  get stats(): EngineStats | undefined {
    return this.#runner.stats;
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
    await this.#runner.close();
  }

  async #ask(question: (id: number) => ToRunner, signal: AbortSignal): Promise<Answer> {
    const id = this.#runner.begin(signal);
    const answer = Promise.withResolvers<Answer>();
    const abort = (): void => {
      if (!this.#waiting.delete(id)) return;
      this.#runner.send({ op: "cancel", id });
      answer.reject(asProxyError(signal.reason));
    };
    signal.addEventListener("abort", abort, { once: true });
    this.#waiting.set(id, answer);
    this.#runner.ask(question(id));
    try {
      return await answer.promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #receive(message: FromRunner): void {
    if (message.ev === "embedded" || message.ev === "reranked") this.#take(message.id)?.resolve(message);
    if (message.ev === "error" && message.id !== undefined) this.#take(message.id)?.reject(remoteError(message));
  }

  #take(id: number): PromiseWithResolvers<Answer> | undefined {
    this.#runner.progressed();
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #fail(error: ProxyError): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

function mixedUp(): ProxyError {
  return new ProxyError("internal_error", "The engine process answered another question than it was asked.");
}
