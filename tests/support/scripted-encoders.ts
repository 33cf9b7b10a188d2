/** Encoders that answer at once, or when a test lets them, or fail as it says. */
import type { EncodedInputs, EncoderEngine, EncoderHost, EncoderInput } from "../../src/core/embedding/embedding.ts";
import { type ErrorCode, ProxyError } from "../../src/core/errors.ts";
import type { Model } from "../../src/core/model.ts";
import type { DeviceInfo, Priority } from "../../src/core/request.ts";
import type { LoadPlan } from "../../src/core/routing/limits.ts";

export const EMBEDDER: Model = {
  name: "embedder:latest",
  directory: "",
  digest: "e".repeat(64),
  size: 1,
  modified: new Date(0),
  family: "bert",
  parameterSize: "1M",
  quantization: "F16",
  contextLength: 60,
  embeddingLength: 4,
  chatTemplate: "",
  defaults: {},
  kind: "embedding",
  architecture: "BertModel",
  parameters: 1_000_000,
  format: "openvino",
  capabilities: ["embedding"],
  instructions: { query: "find: " },
  fitness: [],
};
export const RANKER: Model = {
  ...EMBEDDER,
  name: "ranker:latest",
  digest: "f".repeat(64),
  kind: "rerank",
  capabilities: ["rerank"],
};

/** A longer input is cut, in characters. */
const LONGEST = 50;

/** What a device makes of an input; not of length 1. */
export function vectorOf(input: EncoderInput, device = "CPU"): number[] {
  const text = typeof input === "string" ? input : `ids ${input.join(" ")}`;
  const hash = Number(Bun.hash.xxHash32(`${device} ${text}`));
  return [1, 2, 4, 8].map((part) => Math.fround(1 + ((hash >>> part) % 97)));
}

export function scoreOf(query: string, document: string): number {
  return Number(Bun.hash.xxHash32(`${query} ${document}`)) / 2 ** 32;
}

export interface Call {
  readonly device: string;
  readonly inputs: readonly EncoderInput[];
  readonly lane: Priority;
  readonly purpose?: string;
  /** Its asker left, or it was answered. */
  over: boolean;
  /** Answers it, or fails it. */
  end(code?: ErrorCode): void;
}

export class ScriptedEncoders implements EncoderHost {
  readonly calls: Call[] = [];
  readonly loads: string[] = [];
  readonly plans: LoadPlan[] = [];
  readonly closed: string[] = [];
  /** What becomes of the next loads, and of the next calls; afterwards all is well. */
  readonly loadFailures: ErrorCode[] = [];
  readonly failures: (ErrorCode | undefined)[] = [];
  /** What the next calls answer for each of their inputs, in the place of vectorOf. */
  readonly vectors: (readonly number[])[] = [];
  /** Calls wait until the test ends them. */
  held = false;
  readonly #waiting: (() => void)[] = [];

  /** Those that were not answered yet. */
  get open(): readonly Call[] {
    return this.calls.filter(({ over }) => !over);
  }

  get inputs(): readonly EncoderInput[] {
    return this.calls.flatMap(({ inputs }) => inputs);
  }

  /** Resolves when so many calls are open. */
  async until(open: number): Promise<void> {
    while (this.open.length < open) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Calls do not wait any more, those that do neither. */
  release(): void {
    this.held = false;
    for (const call of this.open) call.end();
  }

  readonly loadEncoder = async (
    { name, kind }: Model,
    { name: device }: DeviceInfo,
    plan: LoadPlan,
  ): Promise<EncoderEngine> => {
    this.loads.push(`${name} ${device}`);
    this.plans.push(plan);
    const failure = this.loadFailures.shift();
    if (failure) throw new ProxyError(failure, "scripted");
    return this.#engine(device, kind);
  };

  #engine(device: string, kind: Model["kind"]): EncoderEngine {
    const ended = Promise.withResolvers<ProxyError | undefined>();
    const call = async <T>(
      about: Pick<Call, "inputs" | "lane"> & { readonly purpose?: string },
      signal: AbortSignal,
      answer: () => T,
    ): Promise<T> => {
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      const entry: Call = {
        ...about,
        device,
        over: false,
        end: (code) => {
          entry.over = true;
          if (!code) return resolve(answer());
          const error = new ProxyError(code, "scripted");
          if (code === "runner_crashed" || code === "device_lost") ended.resolve(error);
          reject(error);
        },
      };
      signal.addEventListener("abort", () => {
        entry.over = true;
        reject(signal.reason);
      });
      this.calls.push(entry);
      for (const wake of this.#waiting.splice(0)) wake();
      const failure = this.failures.shift();
      if (failure) entry.end(failure);
      else if (!this.held) entry.end();
      return await promise;
    };
    return {
      kind: "encoder",
      info: { prefillChunk: 0, memoryBytes: 1, openvino: "" },
      stats: undefined,
      closed: ended.promise,
      close: async () => {
        this.closed.push(device);
        ended.resolve(undefined);
      },
      embed: async (inputs, { truncate, ...how }, signal) => {
        if (kind !== "embedding") throw new Error("A ranker was asked for vectors.");
        const long = truncate ? -1 : inputs.findIndex((input) => input.length > LONGEST);
        if (long >= 0) throw new ProxyError("context_length_exceeded", "scripted", { param: `input[${long}]` });
        const made = this.vectors.shift();
        return await call({ inputs, ...how }, signal, () =>
          encoded(inputs, (input) => made ?? vectorOf(input, device)),
        );
      },
      rerank: async (query, documents, { lane }, signal) =>
        await call({ inputs: documents, lane }, signal, () => ({
          scores: documents.map((document) => scoreOf(query, document)),
          tokens: documents.map((document) => query.length + document.length),
        })),
    };
  }
}

function encoded(inputs: readonly EncoderInput[], made: (input: EncoderInput) => readonly number[]): EncodedInputs {
  return {
    vectors: Float32Array.from(inputs.flatMap(made)),
    dimensions: 4,
    tokens: inputs.map(({ length }) => Math.min(length, LONGEST)),
    truncated: inputs.flatMap(({ length }, index) => (length > LONGEST ? [index] : [])),
  };
}
