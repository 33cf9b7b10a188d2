import type { ErrorCode } from "../core/errors.ts";
import type { Answer, Clock, LogFields, Observer } from "../core/ports.ts";
import { deviceClass, type GenerateEvent } from "../core/request.ts";
import type { Dialect } from "./dialect.ts";

/** What a handler of ours finds in Hono's context. */
export interface ServerEnv {
  Bindings: Connection;
  Variables: { exchange: Exchange; dialect: Dialect };
}

/** The client's connection, as listen.ts hands it in; an app that is called in process has none. */
export interface Connection {
  /** Address and port of its other end; absent where that has gone already. */
  readonly peer?: string | undefined;
  /** Closes the connection for good once nothing moved on it for some seconds. */
  hangUp?(): void;
}

/** An accepted request, as far as its log line tells of it; it may still move to another device. */
export type Accepted = Pick<Answer, "model" | "device" | "reason" | "promptTokens">;

/** Longest client-chosen text in a log line, in UTF-16 units. */
const LOG_TEXT = 200;

/** One HTTP request and its answer, and the one log line that tells of both: never a prompt, never an answer. */
export class Exchange {
  readonly id: string;
  readonly api: string;
  /** Clock.now() at arrival, in ns. */
  readonly started: number;
  /** The model as the client named it. */
  model: string | undefined;
  error: ErrorCode | undefined;
  /** The body outlives the handler: whoever writes it calls end(). */
  streaming = false;
  readonly #clock: Clock;
  readonly #observer: Observer;
  #answer: Accepted | undefined;
  #told: LogFields = {};
  /** Tokens generated, by choice. */
  readonly #completionTokens: number[] = [];
  #firstToken: number | undefined;
  #bodyRead: number | undefined;
  #ended = false;

  constructor(options: { id: string; api: string; clock: Clock; observer: Observer }) {
    this.id = options.id;
    this.api = options.api.slice(0, LOG_TEXT);
    this.#clock = options.clock;
    this.#observer = options.observer;
    this.started = this.#clock.now();
  }

  /** Since arrival, in ns. */
  get elapsedNs(): number {
    return Math.round(this.#clock.now() - this.started);
  }

  /** The request's body is here: from now on its time is ours. */
  bodyRead(): void {
    this.#bodyRead = this.#clock.now();
  }

  /** @param told what else the log line tells: of what is not generated */
  accepted(answer: Accepted, told: LogFields = {}): void {
    this.#answer = answer;
    this.#told = told;
  }

  /** Counts an event of the answer; the tokens of one that is never finished are counted too. */
  saw(event: GenerateEvent, choice: number): void {
    this.#firstToken ??= this.#clock.now();
    const before = this.#completionTokens[choice] ?? 0;
    this.#completionTokens[choice] = event.type === "delta" ? before + event.tokens : event.usage.completionTokens;
  }

  /** Writes the log line, once. */
  end(status: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#observer.log("info", "request", {
      id: this.id,
      api: this.api,
      model: this.#answer?.model.name ?? this.model?.slice(0, LOG_TEXT),
      device: this.#answer && deviceClass(this.#answer.device.name),
      reason: this.#answer?.reason,
      promptTokens: this.#answer?.promptTokens,
      completionTokens: this.#answer && this.#completionTokens.reduce((sum, tokens) => sum + tokens, 0),
      ...this.#told,
      ttftMs: this.#firstToken === undefined ? undefined : milliseconds(this.#firstToken - this.started),
      durationMs: milliseconds(this.elapsedNs),
      handledMs: this.#bodyRead === undefined ? undefined : milliseconds(this.#clock.now() - this.#bodyRead),
      status,
      error: this.error,
    });
  }
}

function milliseconds(ns: number): number {
  return Math.round(ns / 1e4) / 100;
}
