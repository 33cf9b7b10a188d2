/** The only mutable state of the daemon: the loaded placements and what runs on them. */
import { asProxyError, type ErrorCode, ProxyError } from "./errors.ts";
import { withFirstEvent } from "./first-event.ts";
import type { ModelLibrary } from "./library.ts";
import { type Limits, outputTokens, requireFit } from "./limits.ts";
import type {
  Answer,
  Clock,
  Engine,
  EngineHost,
  Model,
  ModelRequest,
  ModelStore,
  Observer,
  Placement,
  Runtime,
} from "./ports.ts";
import { applyRecipe } from "./recipe.ts";
import type { Device, DeviceInfo, EncodedPrompt, GenerateRequest, Prompt } from "./request.ts";
import { type Candidate, candidates } from "./router.ts";
import { type Slot, Slots } from "./slots.ts";

export interface RuntimeOptions {
  readonly models: ModelStore;
  /** An object of functions that need no `this`. */
  readonly library: ModelLibrary;
  readonly engines: EngineHost;
  readonly clock: Clock;
  readonly observer: Observer;
  /** A device name that every request runs on, or "auto". */
  readonly device: Device | "auto";
  readonly limits: Limits;
}

/** Failures that say nothing against the request itself: the next device may do better. */
const MOVES_ON: ReadonlySet<ErrorCode> = new Set([
  "model_not_loaded",
  "load_timeout",
  "device_error",
  "insufficient_memory",
  "runner_crashed",
  "inference_failed",
  "inference_timeout",
]);

/** Makes the runtime: loads placements on demand, joins requests to them, moves a request on while nothing was sent. */
export function createRuntime(options: RuntimeOptions): Runtime {
  return new LiveRuntime(options);
}

class LiveRuntime implements Runtime {
  readonly models: ModelStore;
  readonly library: ModelLibrary;
  readonly #options: RuntimeOptions;
  readonly #slots: Slots;
  readonly #active = new Set<Promise<void>>();
  readonly #ending = new AbortController();
  #devices: Promise<readonly DeviceInfo[]> | undefined;
  #lastLoad: Promise<unknown> = Promise.resolve();
  #closing = false;

  constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#slots = new Slots(options.observer);
    this.models = options.models;
    const remove = async (name: string, signal: AbortSignal): Promise<void> => {
      await options.library.remove(name, signal);
      this.#slots.retireAllBut(new Set((await this.models.list()).map((model) => model.name)));
    };
    this.library = { ...options.library, remove };
  }

  async devices(signal: AbortSignal): Promise<readonly DeviceInfo[]> {
    signal.throwIfAborted();
    // The probe is shared, so it lives by the daemon's signal and each caller leaves by its own.
    this.#devices ??= this.#options.engines.devices(this.#ending.signal).catch((error: unknown) => {
      this.#devices = undefined;
      throw error;
    });
    return await unlessAborted(this.#devices, signal);
  }

  placements(): readonly Placement[] {
    return this.#slots.placements();
  }

  async load(name: string, signal: AbortSignal): Promise<{ model: Model; loadNs: number }> {
    this.#refuseWhenClosing();
    const model = await this.models.get(name);
    requireCompletion(model);
    const plan = await this.#plan(model, 1, undefined, signal);
    const started = this.#options.clock.now();
    for (const [index, candidate] of plan.entries()) {
      const slot = this.#claim(model, candidate);
      try {
        if (slot.loaded) return { model, loadNs: 0 };
        await unlessAborted(slot.engine, signal);
        return { model, loadNs: this.#options.clock.now() - started };
      } catch (error) {
        if (index === plan.length - 1 || !movesOn(error, signal)) throw error;
      } finally {
        this.#slots.release(slot);
      }
    }
    throw new ProxyError("device_error", "This machine offers no device that OpenVINO can use.");
  }

  async generate(request: ModelRequest, signal: AbortSignal): Promise<Answer> {
    this.#refuseWhenClosing();
    const arrived = this.#options.clock.now();
    const model = request.found ?? (await this.models.get(request.model));
    requireCompletion(model);
    const templated = applyRecipe(withTemplate(request.prompt, model), model.recipe);
    const prompt = await this.#options.engines.encode(model, templated, signal);
    const plan = [...(await this.#plan(model, prompt.tokens, request.sampling.maxTokens, signal))];
    // A runner that dies under a request gets one more chance: on the next device, or the same where it is the last.
    const last = plan.at(-1);
    let spare = last ? [last] : [];
    for (let candidate = plan.shift(); candidate; candidate = plan.shift()) {
      try {
        return await this.#tryOn(candidate, model, prompt, request, arrived, signal);
      } catch (thrown) {
        const error = asProxyError(thrown);
        if (error.code === "runner_crashed" && plan.length === 0) {
          plan.push(...spare);
          spare = [];
        }
        if (plan.length === 0 || !movesOn(error, signal)) throw error;
        this.#options.observer.log("warn", "request moves on", {
          id: request.id,
          device: candidate.device.name,
          next: plan[0]?.device.name,
          code: error.code,
        });
      }
    }
    throw new ProxyError("device_error", "This machine offers no device that OpenVINO can use.");
  }

  async close(deadline: AbortSignal): Promise<void> {
    this.#closing = true;
    await unlessAborted(Promise.all(this.#active), deadline).catch(() => undefined);
    this.#ending.abort(new ProxyError("shutting_down", "npu-proxy is shutting down."));
    await Promise.all([this.#slots.close(), this.#options.engines.close()]);
  }

  #refuseWhenClosing(): void {
    if (this.#closing)
      throw new ProxyError("shutting_down", "npu-proxy is shutting down and takes no new requests. Try again later.");
  }

  async #plan(
    model: Model,
    promptTokens: number,
    asked: number | undefined,
    signal: AbortSignal,
  ): Promise<readonly Candidate[]> {
    const demand = { promptTokens, outputTokens: asked, contextLength: model.contextLength };
    return candidates(this.#options.device, await this.devices(signal), this.#options.limits, demand);
  }

  async #tryOn(
    candidate: Candidate,
    model: Model,
    prompt: EncodedPrompt,
    request: GenerateRequest,
    arrived: number,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { device, reason, shape } = candidate;
    const { limits } = this.#options;
    requireFit(shape, prompt.tokens, `'${model.name}' on ${device.name}`);
    const maxTokens = outputTokens(shape, prompt.tokens, request.sampling.maxTokens, limits);
    const slot = this.#claim(model, candidate);
    const waited = !slot.loaded;
    let engine: Engine;
    try {
      engine = await unlessAborted(slot.engine, signal);
    } catch (error) {
      this.#slots.release(slot);
      throw error;
    }
    // What came before (probing the devices, starting the tokenizers) is part of a first load.
    const loadNs = waited ? this.#options.clock.now() - arrived : 0;
    const ended = Promise.withResolvers<void>();
    slot.running++;
    this.#active.add(ended.promise);
    const release = (): void => {
      if (!this.#active.delete(ended.promise)) return;
      slot.running--;
      this.#slots.release(slot);
      ended.resolve();
    };
    const answered = (): void => {
      if (!slot.answered) this.models.answered(model);
      slot.answered = true;
    };
    try {
      const events = engine.generate(prompt, { ...request.sampling, maxTokens }, signal);
      return {
        model,
        device,
        reason,
        loadNs,
        promptTokens: prompt.tokens,
        events: await withFirstEvent(events, release, answered),
      };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** The caller releases it. */
  #claim(model: Model, { device, shape }: Candidate): Slot {
    return this.#slots.claim(model, device, shape, () => {
      // One load at a time: compiling takes several times the model's memory.
      const engine = this.#lastLoad.then(() =>
        this.#options.engines.load(model, device.name, shape, this.#ending.signal),
      );
      this.#lastLoad = engine.catch(() => undefined);
      return engine;
    });
  }
}

/** In Ollama's words, which its clients look for. */
function requireCompletion({ name, capabilities }: Model): void {
  if (!capabilities.includes("completion"))
    throw new ProxyError("invalid_request", `"${name}" does not support chat`, { param: "model" });
}

/** The model's own template in the place of the folder's, unless the request brings one. */
function withTemplate(prompt: Prompt, { tuning }: Model): Prompt {
  if (prompt.kind === "text" || prompt.template !== undefined || tuning?.chatTemplate === undefined) return prompt;
  return { ...prompt, template: tuning.chatTemplate };
}

function movesOn(error: unknown, signal: AbortSignal): boolean {
  return !signal.aborted && MOVES_ON.has(asProxyError(error).code);
}

/** The promise's outcome, or the signal's reason as soon as it aborts. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
