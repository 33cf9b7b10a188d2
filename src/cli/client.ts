/** A typed client of the server's own HTTP API: of a running server, or of the same app inside this process. */
import * as v from "valibot";
import type { Config } from "../config.ts";
import { type ErrorCode, ProxyError } from "../core/errors.ts";
import type { Message } from "../core/request.ts";
import { isLoopback, reachableHost, serverUrl } from "./address.ts";
import { chatLine, devicesAnswer, errorAnswer, psAnswer, showAnswer, tagsAnswer, versionAnswer } from "./answers.ts";
import { isErrorCode } from "./exit-codes.ts";

/** Sends one request; `fetch`, or the app's own without a port. */
type Send = (request: Request) => Response | Promise<Response>;

export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly Message[];
  /** Ollama's options: temperature, seed, num_predict. */
  readonly options: Readonly<Record<string, number>>;
}

export interface ChatStream {
  /** Where the answer is computed, as the server's headers say. */
  readonly device: string | undefined;
  /** Each line as it came and as it reads. @throws ProxyError for an error inside the stream and for a cut-off one */
  readonly lines: AsyncGenerator<{ readonly raw: string; readonly line: v.InferOutput<typeof chatLine> }, void>;
}

/** For errors of a server that does not tell its code. */
const statusCodes: Readonly<Record<number, ErrorCode>> = {
  400: "invalid_request",
  404: "model_not_found",
  413: "body_too_large",
  421: "host_not_allowed",
  503: "server_busy",
  504: "inference_timeout",
};

/** Longest line of a stream, in characters; a server that sends more is none of ours. */
const MAX_LINE = 8 << 20;

/** How long a server may take to say its version. */
const PROBE_TIMEOUT_MS = 10_000;

export class Client {
  readonly #base: string;
  readonly #send: Send;
  readonly #close: () => Promise<void>;

  constructor(base: string, send: Send, close: () => Promise<void> = () => Promise.resolve()) {
    this.#base = base;
    this.#send = send;
    this.#close = close;
  }

  list(signal: AbortSignal): Promise<v.InferOutput<typeof tagsAnswer>> {
    return this.#json(tagsAnswer, "/api/tags", undefined, signal);
  }

  ps(signal: AbortSignal): Promise<v.InferOutput<typeof psAnswer>> {
    return this.#json(psAnswer, "/api/ps", undefined, signal);
  }

  show(model: string, signal: AbortSignal): Promise<v.InferOutput<typeof showAnswer>> {
    return this.#json(showAnswer, "/api/show", { model }, signal);
  }

  devices(signal: AbortSignal): Promise<v.InferOutput<typeof devicesAnswer>> {
    return this.#json(devicesAnswer, "/health/devices", undefined, signal);
  }

  version(signal: AbortSignal): Promise<v.InferOutput<typeof versionAnswer>> {
    return this.#json(versionAnswer, "/api/version", undefined, signal);
  }

  /** Resolves when the answer begins. Aborting the signal closes the connection, which stops the generation. */
  async chat(request: ChatRequest, signal: AbortSignal): Promise<ChatStream> {
    const response = await this.#request("/api/chat", { ...request, stream: true }, signal);
    if (!response.body) throw unexpected(this.#base);
    const device = response.headers.get("X-NPU-Proxy-Device") ?? undefined;
    return { device, lines: chatLines(response.body, this.#base, signal) };
  }

  /** Ends what this client started: the app in this process with its runners. A server is left alone. */
  close(): Promise<void> {
    return this.#close();
  }

  async #json<Schema extends v.GenericSchema>(
    schema: Schema,
    path: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<v.InferOutput<Schema>> {
    const response = await this.#request(path, body, signal);
    const value: unknown = await response.json().catch(() => undefined);
    signal.throwIfAborted();
    const answer = v.safeParse(schema, value);
    if (!answer.success) throw unexpected(this.#base);
    return answer.output;
  }

  async #request(path: string, body: unknown, signal: AbortSignal): Promise<Response> {
    const sent =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
    const request = new Request(`${this.#base}${path}`, {
      method: body === undefined ? "GET" : "POST",
      signal,
      ...sent,
    });
    const response = await this.#send(request);
    if (response.ok) return response;
    const text = await response.text().catch(() => "");
    const told = response.headers.get("X-NPU-Proxy-Error");
    const code = isErrorCode(told) ? told : (statusCodes[response.status] ?? "inference_failed");
    throw new ProxyError(code, errorSentence(text, response.status));
  }
}

/**
 * A client of the server that the settings point at; undefined where none answers on this machine.
 * @throws ProxyError server_unreachable where another machine's does not answer, or something else does
 */
export async function connectServer(config: Config, signal: AbortSignal): Promise<Client | undefined> {
  if (config.port === 0) return undefined;
  const host = reachableHost(config.host);
  const base = serverUrl(host, config.port);
  const client = new Client(base, (request) => sendTo(request, isLoopback(host)));
  const patience = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  try {
    await client.version(AbortSignal.any([signal, patience]));
    return client;
  } catch (error) {
    signal.throwIfAborted();
    if (isRefusal(error) && isLoopback(host)) return undefined;
    if (patience.aborted || (error instanceof ProxyError && error.code !== "server_unreachable"))
      throw unexpected(base);
    throw error;
  }
}

/** A client of the running server, or of the app in this process where none runs. The caller closes it. */
export async function openClient(config: Config, signal: AbortSignal): Promise<Client> {
  const server = await connectServer(config, signal);
  if (server) return server;
  const [{ composeApp, composeRuntime }, { createLog }] = await Promise.all([
    import("./compose.ts"),
    import("../log.ts"),
  ]);
  const log = createLog(config.logLevel);
  const runtime = composeRuntime(config, log);
  const app = composeApp(config, runtime, log);
  return new Client(
    "http://localhost",
    (request) => app.fetch(request),
    () => runtime.close(AbortSignal.abort()),
  );
}

/** Loopback is reached directly: a proxy in the environment cannot reach it, and must not see what is asked there. */
async function sendTo(request: Request, direct: boolean): Promise<Response> {
  try {
    return await fetch(request, direct ? { proxy: false, timeout: false } : { timeout: false });
  } catch (error) {
    if (request.signal.aborted) throw error;
    const { origin } = new URL(request.url);
    throw new ProxyError("server_unreachable", `No npu-proxy answers at ${origin}. Start it with: npu-proxy serve`, {
      cause: error,
    });
  }
}

/** Nobody listens there, as opposed to somebody who does not behave. */
function isRefusal(error: unknown): boolean {
  return error instanceof ProxyError && (error.cause as { code?: unknown } | undefined)?.code === "ECONNREFUSED";
}

async function* chatLines(body: ReadableStream<Uint8Array>, base: string, signal: AbortSignal): ChatStream["lines"] {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of received(body, signal)) {
    const pieces = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = pieces.pop() ?? "";
    if (rest.length > MAX_LINE) throw unexpected(base);
    for (const raw of pieces) {
      const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), chatLine), raw);
      if (!parsed.success) throw unexpected(base);
      const line = parsed.output;
      yield { raw, line };
      if (line.error !== undefined) throw new ProxyError("inference_failed", line.error);
      if (line.done) return;
    }
  }
  throw cutOff();
}

/** The body's chunks; a connection that breaks is a ProxyError, an aborted signal its own. */
async function* received(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  try {
    yield* body;
  } catch (error) {
    signal.throwIfAborted();
    throw cutOff(error);
  }
  signal.throwIfAborted();
}

function cutOff(cause?: unknown): ProxyError {
  const message = "The server ended the answer before it was complete; its log says why.";
  return new ProxyError("inference_failed", message, { cause });
}

function errorSentence(body: string, status: number): string {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), errorAnswer), body);
  if (parsed.success) return parsed.output.error;
  return `The server answered with status ${status}${body ? `: ${body.slice(0, 300).trim()}` : "."}`;
}

function unexpected(base: string): ProxyError {
  return new ProxyError(
    "server_unreachable",
    `What answers at ${base} is no npu-proxy. Point --host and --port at one, or free that port.`,
  );
}
