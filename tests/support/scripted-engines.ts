/** A runtime over engines that do what a test wrote for them. */
import { Channel } from "../../src/core/channel.ts";
import { type ErrorCode, ProxyError } from "../../src/core/errors.ts";
import type { ModelLibrary } from "../../src/core/library.ts";
import type { Engine, EngineHost, Model } from "../../src/core/ports.ts";
import type { DeviceInfo, GenerateEvent, Prompt } from "../../src/core/request.ts";
import { createRuntime } from "../../src/core/runtime.ts";

export const MODEL: Model = {
  name: "demo:latest",
  directory: "",
  digest: "0".repeat(64),
  size: 1,
  modified: new Date(0),
  family: "llama",
  parameterSize: "1M",
  quantization: "INT8",
  contextLength: 100,
  embeddingLength: 8,
  chatTemplate: "",
  defaults: {},
  kind: "llm",
  architecture: "LlamaForCausalLM",
  parameters: 1_000_000,
  format: "openvino",
  capabilities: ["completion"],
  fitness: [],
};
const device = (name: string): DeviceInfo => ({ name, fullName: name, emulated: false });
const done: GenerateEvent = {
  type: "done",
  reason: "stop",
  usage: { promptTokens: 1, completionTokens: 1, promptNs: 1, decodeNs: 0 },
};

/** One engine whose generations do what `script` says, in turn. */
type Step = "answer" | "hang" | ErrorCode | { after: string; failing: ErrorCode };

export function host(devices: string[], scripts: Record<string, Step[]>, promptTokens = 1) {
  const asked: number[] = [];
  const loads: string[] = [];
  const cancelled: string[] = [];
  const closed: string[] = [];
  const prompts: Prompt[] = [];
  const answered: string[] = [];
  /** What the store has. */
  const shelf = { models: [MODEL] };
  const engine = (name: string): Engine => {
    const ended = Promise.withResolvers<ProxyError | undefined>();
    return {
      info: { prefillChunk: 256, memoryBytes: 1, openvino: "" },
      stats: undefined,
      closed: ended.promise,
      close: async () => {
        closed.push(name);
        ended.resolve(undefined);
      },
      generate: (_prompt, sampling, signal) => {
        asked.push(sampling.maxTokens);
        const step = scripts[name]?.shift() ?? "answer";
        const events = new Channel<GenerateEvent>({ capacity: 8, onLeave: () => cancelled.push(name) });
        signal.addEventListener("abort", () => events.abandon(new ProxyError("client_closed", "gone")));
        if (step === "hang") return events;
        if (step === "answer") {
          events.push({ type: "delta", text: name, tokens: 1 });
          events.push(done);
          events.close();
        } else if (typeof step === "object") {
          events.push({ type: "delta", text: step.after, tokens: 1 });
          events.close(new ProxyError(step.failing, "scripted"));
        } else {
          const error = new ProxyError(step, "scripted");
          if (step === "runner_crashed") ended.resolve(error);
          events.close(error);
        }
        return events;
      },
    };
  };
  const engines: EngineHost = {
    devices: async () => devices.map(device),
    encode: async (_model, prompt) => {
      prompts.push(prompt);
      return { tokens: promptTokens, ids: "" };
    },
    close: async () => undefined,
    load: async (_model, name) => {
      loads.push(name);
      const first = scripts[`load ${name}`]?.shift();
      if (typeof first === "string" && first !== "answer" && first !== "hang") throw new ProxyError(first, "scripted");
      return engine(name);
    },
  };
  const runtime = createRuntime({
    models: {
      list: async () => shelf.models,
      damaged: async () => [],
      get: async () => shelf.models[0] ?? MODEL,
      answered: ({ digest }) => void answered.push(digest),
    },
    library: {
      remove: async (name: string) => {
        shelf.models = shelf.models.filter((model) => model.name !== name);
      },
    } as Partial<ModelLibrary> as ModelLibrary,
    engines,
    clock: { now: () => 0, date: () => new Date(0) },
    observer: { log: () => undefined },
    device: "auto",
    limits: { tokenLimit: 50, maxPromptTokens: 60, minResponseTokens: 16, maxOutput: 20 },
  });
  return { runtime, loads, cancelled, asked, closed, prompts, answered, shelf };
}

export const request = {
  id: "req_1",
  model: "demo",
  prompt: { kind: "text", text: "hi" } as const,
  sampling: {},
};
export const never = new AbortController().signal;

export async function text(events: AsyncIterable<GenerateEvent>): Promise<string> {
  let all = "";
  for await (const event of events) if (event.type === "delta") all += event.text;
  return all;
}
