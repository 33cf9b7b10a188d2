/** The runner process: one placement (or a device probe), spoken to over IPC. The only process that loads native code. */
import { asProxyError, ProxyError } from "../core/errors.ts";
import type { DeviceInfo, FromRunner, GenerateEvent, ToRunner } from "../core/request.ts";
import { loadAddon } from "../native/binding.ts";
import type { Addon } from "../native/contract.ts";
import { ModelEngine, nativeError } from "../native/engine.ts";
import { verifyRuntime } from "../native/runtime-folder.ts";
import { Outbox } from "./outbox.ts";

export interface RunnerOptions {
  readonly runtimeDirectory: string;
  readonly cacheDirectory: string;
}

/** Serves the parent until it disconnects. Resolves with the exit code; the caller exits the process. */
export async function runRunner({ runtimeDirectory, cacheDirectory }: RunnerOptions): Promise<number> {
  const ended = Promise.withResolvers<number>();
  process.on("disconnect", () => ended.resolve(0));
  process.on("SIGINT", () => undefined); // a terminal's Ctrl-C reaches the whole group: the daemon decides what ends
  try {
    await verifyRuntime(runtimeDirectory, cacheDirectory);
    const addon = loadAddon(runtimeDirectory);
    addon.dieWithParent();
    const runner = new Runner(addon, () => ended.resolve(1));
    process.on("message", (message: ToRunner) => runner.receive(message));
    send({ ev: "started" });
  } catch (error) {
    send(failure(error));
    return 1;
  }
  return await ended.promise;
}

class Runner {
  readonly #addon: Addon;
  readonly #fail: () => void;
  readonly #outboxes = new Map<number, Outbox>();
  #engine: ModelEngine | undefined;
  #batch: [number, GenerateEvent][] = [];

  constructor(addon: Addon, fail: () => void) {
    this.#addon = addon;
    this.#fail = fail;
  }

  receive(message: ToRunner): void {
    switch (message.op) {
      case "load":
        ModelEngine.load(this.#addon, message.options, (id, event) => this.#deliver(id, event)).then(
          (engine) => {
            this.#engine = engine;
            send({ ev: "ready", info: engine.info });
          },
          (error: unknown) => this.#end(error),
        );
        break;
      case "devices":
        this.#addon.devices().then(
          (devices) => send({ ev: "devices", devices: withEmulation(devices, message.emulateNpu) }),
          (error: unknown) => this.#end(nativeError(error)),
        );
        break;
      case "generate":
        void this.#generate(message);
        break;
      case "cancel":
        this.#outboxes.delete(message.id);
        this.#engine?.cancel(message.id);
        break;
      case "credit":
        this.#outboxes.get(message.id)?.grant(message.deltas);
        break;
      case "count":
        void this.#count(message.id, message.prompt);
        break;
      case "stats":
        send({ ev: "stats", id: message.id, stats: this.#loaded().stats() });
        break;
    }
  }

  async #generate({ id, prompt, sampling }: Extract<ToRunner, { op: "generate" }>): Promise<void> {
    try {
      this.#outboxes.set(id, new Outbox((event) => this.#enqueue(id, event)));
      const engine = this.#loaded();
      const ids = await engine.encode(prompt);
      if (!this.#outboxes.has(id)) return; // cancelled meanwhile
      send({ ev: "accepted", id, promptTokens: ids.length });
      engine.generate(id, ids, sampling);
    } catch (error) {
      this.#deliver(id, asProxyError(error));
    }
  }

  async #count(id: number, prompt: Extract<ToRunner, { op: "count" }>["prompt"]): Promise<void> {
    try {
      send({ ev: "count", id, promptTokens: (await this.#loaded().encode(prompt)).length });
    } catch (error) {
      send({ ...failure(error), id });
    }
  }

  #loaded(): ModelEngine {
    if (!this.#engine) throw new ProxyError("internal_error", "The runner was asked before its model was loaded.");
    return this.#engine;
  }

  #deliver(id: number, event: GenerateEvent | ProxyError): void {
    if (id === 0) return this.#end(event);
    const outbox = this.#outboxes.get(id);
    if (!outbox) return;
    if (event instanceof ProxyError) {
      this.#outboxes.delete(id);
      this.#flush();
      send({ ...failure(event), id });
    } else outbox.push(event);
  }

  /** Events of one turn of the event loop go out as one message: all that one engine step brought. */
  #enqueue(id: number, event: GenerateEvent): void {
    if (event.type === "done") this.#outboxes.delete(id);
    if (this.#batch.push([id, event]) === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    const events = this.#batch;
    this.#batch = [];
    send({ ev: "events", events });
  }

  #end(error: unknown): void {
    send(failure(error));
    this.#fail();
  }
}

function send(message: FromRunner): void {
  process.send?.(message);
}

function failure(error: unknown): Extract<FromRunner, { ev: "error" }> {
  const { code, message, param, detail } = asProxyError(error);
  return { ev: "error", code, message, ...(param !== undefined && { param }), ...(detail !== undefined && { detail }) };
}

/** OpenVINO's devices; with emulation, an NPU that is the CPU and says so. */
function withEmulation(devices: readonly Omit<DeviceInfo, "emulated">[], emulateNpu: boolean): DeviceInfo[] {
  const real = devices.map((device) => ({ ...device, emulated: false }));
  if (!emulateNpu) return real;
  const cpu = real.find(({ name }) => name === "CPU");
  const npu = { name: "NPU", fullName: `NPU (emulated on CPU: ${cpu?.fullName ?? "CPU"})`, emulated: true };
  return [...real.filter(({ name }) => name !== "NPU"), npu];
}
