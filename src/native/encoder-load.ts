/** An encoder made ready: compiled as this device takes it, warmed up, and tried for sense. */
import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { BatchLimits } from "../core/embedding/batching.ts";
import { asProxyError, ProxyError } from "../core/errors.ts";
import { deviceClass } from "../core/request.ts";
import type { EncoderLoadOptions } from "../core/runner-protocol.ts";
import type { Addon, NativeEncoder, NativeEncoderOptions } from "./contract.ts";
import { EncoderFrame, packed, rowsOf } from "./encoder-frame.ts";
import { nativeError } from "./errors.ts";
import { NPU_ON_CPU } from "./warm-engine.ts";

export interface ReadyEncoder {
  readonly native: NativeEncoder;
  readonly frame: EncoderFrame;
  /** Length of a vector; 1 of a score. */
  readonly width: number;
  /** Runs side by side. */
  readonly parallel: number;
  readonly limits: BatchLimits;
}

/**
 * Models of smaller weights are faster with a thread for each batch than with all threads for one: by a quarter, a
 * MiniLM on two cores. They are compiled a second time, for the query that comes alone. In bytes.
 */
const SMALL = 300 * 2 ** 20;

/** More than these side by side bring no more on any CPU: memory is the limit then. */
const MOST_STREAMS = 16;

/**
 * Tokens of a batch. On CPUs batches of about 500 are the fastest, larger ones no faster; a GPU wants text-embeddings-
 * inference's 16,384; the NPU's static shape has one row.
 */
const LIMITS = {
  CPU: { tokens: 512, rows: 32 },
  GPU: { tokens: 16_384, rows: 256 },
  NPU: { tokens: Number.POSITIVE_INFINITY, rows: 1 },
} as const;

const PROBE = "The quick brown fox jumps over the lazy dog.";

/** Of the same text's vectors: rounding differs with the rows beside it. */
const SAME = 0.999;
const SAME_SCORE = 0.01;

/** @throws ProxyError model_not_loaded, model_unfit, device_error, device_lost, insufficient_memory */
export async function loadEncoder(addon: Addon, options: EncoderLoadOptions): Promise<ReadyEncoder> {
  const kind = deviceClass(options.device);
  const native = nativeOptions(options);
  try {
    const encoder = await addon.loadEncoder(native);
    const frame = await EncoderFrame.learn(encoder, options.kind === "rerank");
    const width = await probe(encoder, frame, native, options);
    return { native: encoder, frame, width, parallel: native.requests, limits: LIMITS[kind] };
  } catch (thrown) {
    const error = asProxyError(thrown instanceof ProxyError ? thrown : nativeError(thrown));
    const why = error.detail ?? error.message;
    throw error.code === "inference_failed" ? nativeError({ code: "load", message: why }) : error;
  }
}

function nativeOptions(options: EncoderLoadOptions): NativeEncoderOptions {
  const { directory, device, emulateNpu, compileCache, maxTokens } = options;
  const kind = deviceClass(device);
  const head = options.kind === "rerank" ? "score" : options.pooling;
  const cache = compileCache === undefined || kind === "CPU" ? {} : { CACHE_DIR: compileCache };
  if (kind === "NPU")
    return {
      directory,
      device,
      head,
      requests: 1,
      maxTokens,
      fixed: true,
      properties: { ...(emulateNpu && NPU_ON_CPU), ...cache },
    };
  const shared = { directory, device, head, maxTokens, fixed: false } as const;
  if (kind === "GPU") return { ...shared, requests: 2, properties: cache };
  const threads = Math.min(availableParallelism(), MOST_STREAMS);
  // CPUs that can compute in bf16 would: one of 1,000 vectors then has a cosine of 0.99989 only, and scores differ by 0.001.
  const exact = { INFERENCE_PRECISION_HINT: "f32" };
  const alone = { PERFORMANCE_HINT: "LATENCY", ...exact };
  const weights = statSync(join(directory, "openvino_model.bin"), { throwIfNoEntry: false });
  if (threads === 1 || (weights?.size ?? 0) > SMALL) return { ...shared, requests: 1, properties: alone };
  return { ...shared, requests: threads, properties: { NUM_STREAMS: threads, ...exact }, alone };
}

/**
 * Runs the same text on every request side by side, and alone: it must give the same sensible vector each time.
 * @returns the length of a vector
 * @throws ProxyError model_unfit
 */
async function probe(
  encoder: NativeEncoder,
  frame: EncoderFrame,
  { requests }: NativeEncoderOptions,
  { device, kind, maxTokens, dimensions }: EncoderLoadOptions,
): Promise<number> {
  const [text] = rowsOf(await encoder.tokenize([PROBE], frame.special));
  if (!text) throw new ProxyError("model_unfit", "The model's tokenizer makes nothing of a sentence.");
  const row = kind === "rerank" ? frame.pair(text.ids, text.ids, maxTokens) : frame.text(text.ids, maxTokens);
  const first = await encoder.run(packed([row]), true);
  const others = await Promise.all(Array.from({ length: requests }, () => encoder.run(packed([row]), false)));
  const fault = kind === "rerank" ? faultOfScores([first, ...others]) : faultOfVectors([first, ...others], dimensions);
  if (fault === undefined) return first.length;
  throw new ProxyError(
    "model_unfit",
    `The model computes wrongly on ${device}: ${fault}. Use another device for it, or another variant of the model.`,
  );
}

/** What is wrong with vectors of one text, to complete a sentence; undefined: nothing. */
export function faultOfVectors(vectors: readonly Float32Array[], dimensions: number): string | undefined {
  const [first = new Float32Array()] = vectors;
  if (vectors.some((vector) => !vector.every(Number.isFinite))) return "its vectors hold what is no number";
  if (vectors.some((vector) => vector.every((number) => number === 0))) return "its vectors are zero";
  if (dimensions > 0 && first.length !== dimensions)
    return `its vectors have ${first.length} numbers, where its files promise ${dimensions}`;
  if (vectors.some((vector) => cosine(first, vector) < SAME)) return "the same text has another vector each time";
  return undefined;
}

function faultOfScores(scores: readonly Float32Array[]): string | undefined {
  const numbers = scores.map(([score = Number.NaN]) => score);
  if (!numbers.every((score) => score >= 0 && score <= 1)) return "its scores are not from 0 to 1";
  if (Math.max(...numbers) - Math.min(...numbers) > SAME_SCORE) return "the same pair has another score each time";
  return undefined;
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, value, at) => sum + value * (y[at] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
