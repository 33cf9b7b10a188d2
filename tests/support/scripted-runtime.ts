import { Channel } from "../../src/core/channel.ts";
import { ProxyError } from "../../src/core/errors.ts";
import type { Answer, DamagedModel, LogFields, Model, Observer, Placement, Runtime } from "../../src/core/ports.ts";
import type { DeviceInfo, FinishReason, GenerateEvent, GenerateRequest } from "../../src/core/request.ts";
import { createApp } from "../../src/server/app.ts";
import { type Listening, listen } from "../../src/server/listen.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { ScriptedLibrary } from "./scripted-library.ts";

export const DEMO: Model = {
  name: "demo:latest",
  directory: "/secret/models/demo",
  digest: "ab".repeat(32),
  size: 1_700_000,
  modified: new Date("2026-01-02T03:04:05.678Z"),
  family: "llama",
  parameterSize: "1.7M",
  quantization: "INT8",
  contextLength: 4096,
  embeddingLength: 192,
  chatTemplate: "{{ messages }}",
  defaults: { temperature: 0.6, stop: ["<|end|>"] },
  kind: "llm",
  architecture: "LlamaForCausalLM",
  parameters: 1_700_000,
  groupSize: -1,
  symmetric: true,
  format: "openvino",
  capabilities: ["completion"],
  fitness: [
    { device: "NPU", fits: true, reason: "INT8 symmetric, channel-wise" },
    { device: "GPU", fits: true, reason: "" },
    { device: "CPU", fits: true, reason: "" },
  ],
};

export const NPU: DeviceInfo = { name: "NPU", fullName: "Intel(R) AI Boost", emulated: true };
export const CPU: DeviceInfo = { name: "CPU", fullName: "A processor", emulated: false };

/** One accepted generation in the hands of a test. */
export class ScriptedGeneration {
  readonly request: GenerateRequest;
  readonly signal: AbortSignal;
  readonly events: Channel<GenerateEvent>;
  /** Resolves when the server cancelled: its signal aborted or its reader left early. */
  readonly cancelled: Promise<void>;

  constructor(request: GenerateRequest, signal: AbortSignal) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.request = request;
    this.signal = signal;
    this.cancelled = promise;
    this.events = new Channel({ capacity: 100_000, onLeave: resolve });
    signal.addEventListener("abort", () => {
      resolve();
      this.events.close(new DOMException("aborted", "AbortError"));
    });
  }

  say(...texts: readonly string[]): this {
    for (const text of texts) this.events.push({ type: "delta", text, tokens: 1 });
    return this;
  }

  done(reason: FinishReason = "stop", completionTokens = 3): void {
    const usage = { promptTokens: 7, completionTokens, promptNs: 5_000_000, decodeNs: 9_000_000 };
    this.events.push({ type: "done", reason, usage });
    this.events.close();
  }
}

/** A runtime that says what a test wrote for it. By default: "Hello", " there". */
export class ScriptedRuntime implements Runtime {
  readonly generations: ScriptedGeneration[] = [];
  readonly loads: string[] = [];
  script: (generation: ScriptedGeneration) => void = (generation) => generation.say("Hello", "", " there").done();
  /** Thrown by generate() where set. */
  refusal: unknown;
  /** generate() waits until its signal aborts. */
  loading = false;
  deviceFailure: unknown;
  loaded: Placement[] = [];
  #asked = Promise.withResolvers<void>();

  readonly library = new ScriptedLibrary();
  /** What the store has under "demo". */
  demo = DEMO;
  damaged: readonly DamagedModel[] = [];

  readonly models = {
    list: async () => [this.demo],
    damaged: async () => this.damaged,
    get: async (name: string) => {
      if (name === "demo" || name === DEMO.name) return this.demo;
      throw new ProxyError("model_not_found", `There is no model called "${name}" here.`);
    },
    answered: () => undefined,
  };

  /** Resolves once generate() was called. */
  get asked(): Promise<void> {
    return this.#asked.promise;
  }

  get last(): ScriptedGeneration {
    const last = this.generations.at(-1);
    if (!last) throw new Error("nothing was generated");
    return last;
  }

  async generate(request: GenerateRequest, signal: AbortSignal): Promise<Answer> {
    const generation = new ScriptedGeneration(request, signal);
    this.generations.push(generation);
    this.#asked.resolve();
    if (this.loading) {
      await generation.cancelled;
      throw new DOMException("aborted", "AbortError");
    }
    if (this.refusal !== undefined) throw this.refusal;
    this.script(generation);
    return {
      promptTokens: 7,
      events: generation.events,
      model: DEMO,
      device: NPU,
      reason: "within_npu_limit",
      loadNs: 1_000_000,
    };
  }

  placements(): readonly Placement[] {
    return this.loaded;
  }

  async devices(): Promise<readonly DeviceInfo[]> {
    if (this.deviceFailure !== undefined) throw this.deviceFailure;
    return [NPU, CPU];
  }

  async load(name: string) {
    const model = await this.models.get(name);
    this.loads.push(name);
    return { model, loadNs: 2_000_000 };
  }

  async close(): Promise<void> {}
}

export interface LogEntry {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** Keeps what was logged, and lets a test wait for an entry. */
export class RecordingObserver implements Observer {
  readonly entries: LogEntry[] = [];
  readonly #waiting: (() => void)[] = [];

  log(level: string, message: string, fields: LogFields = {}): void {
    this.entries.push({ level, message, fields });
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** The fields of the `count`th "request" line, as soon as it is written. */
  async request(count = 1): Promise<LogFields> {
    for (;;) {
      const entry = this.entries.filter(({ message }) => message === "request")[count - 1];
      if (entry) return entry.fields;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

export interface ScriptedServer extends Listening {
  readonly runtime: ScriptedRuntime;
  readonly observer: RecordingObserver;
  /** The same server without a socket. */
  readonly app: ReturnType<typeof createApp>;
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A server of its own on a free port, over a scripted runtime; `await using` stops it. */
export async function startScripted(options: Partial<ServerOptions> = {}): Promise<ScriptedServer> {
  const runtime = new ScriptedRuntime();
  const observer = new RecordingObserver();
  const clock = { now: () => Bun.nanoseconds(), date: () => new Date() };
  const app = createApp({ runtime, observer, clock, version: "9.8.7", ...options });
  const listening = await listen(app, { host: "127.0.0.1", port: 0 });
  return {
    ...listening,
    runtime,
    observer,
    app,
    post: (path, body, init) =>
      fetch(listening.url + path, {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...init,
      }),
    [Symbol.asyncDispose]: () => listening.stop(AbortSignal.abort()),
  };
}

/** Sends bytes as they stand and reads until the server closes or `until` is seen. */
export async function exchangeRaw(port: number, text: string | Uint8Array, until: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let received = "";
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (opened) => void opened.write(text),
      data: (_, chunk) => {
        received += chunk.toString();
        if (received.includes(until)) resolve(received);
      },
      close: () => resolve(received),
    },
  });
  const result = await promise;
  socket.terminate();
  return result;
}
