/** Whether a placement fits into memory, and how large its KV cache may grow. Pure. */
import { ProxyError } from "../errors.ts";
import type { Model } from "../model.ts";
import { isEncoder } from "../placed-engine.ts";
import type { MemoryState } from "../ports.ts";
import { type DeviceClass, type DeviceInfo, deviceClass } from "../request.ts";
import type { LoadPlan, Shape } from "../routing/limits.ts";
import type { Pressure } from "../scheduling/schedule.ts";

export interface LoadDemand {
  readonly model: Pick<Model, "name" | "kind" | "size" | "format" | "kvValuesPerToken">;
  readonly device: DeviceInfo;
  readonly shape: Shape;
  /** Most requests that run at once. */
  readonly parallel: number;
  /** NPU_PROXY_KV_CACHE_SIZE in bytes; 0: a share of what is free. */
  readonly kvCacheBytes: number;
  readonly memory: MemoryState;
  /** NPU_PROXY_MEMORY_LIMIT in bytes; 0: none. */
  readonly memoryLimitBytes: number;
  /** What the runners that are loaded hold of that limit, in bytes. */
  readonly heldBytes: number;
  /** A compiled blob of it is in the cache: an NPU need not compile it. */
  readonly compiled: boolean;
}

export interface PlannedLoad extends LoadPlan {
  /** Memory that the placement may come to take, its whole KV cache included. */
  readonly needBytes: number;
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** A runner beside its model: Bun, OpenVINO, GenAI and the buffers of inference (measured with a model of 3 MiB: 160 MiB after
 *  the load on the CPU and more with use; 490 MiB on the NPU's path, whose buffers have their full size from the start). */
const RUNNER_BYTES: Readonly<Record<DeviceClass, number>> = { CPU: 256 * MIB, GPU: 256 * MIB, NPU: 512 * MIB };
/** Bytes of memory for a byte of the model's files: weights, and the buffers of their inference. */
const LOADED = { openvino: 1.2, gguf: 2, encoder: 2.5 } as const; // a GGUF file's weights are unpacked and packed again at load; an encoder's f16 may become f32, with batches beside it
/** NPU: weights of a blob that is there (measured by others: 1.4 x the INT4 bytes), of one that must be compiled (21.5 GB for
 *  an 8B model of some 4.8 GB, whose repeated blocks are folded), and of the NPU's path on the CPU, which keeps them twice. */
const ON_NPU = { compiled: 1.4, compiling: 4.5, emulated: 2 } as const;

/** Tokens of a KV block (GenAI: 32 on the CPU, 16 on a GPU). */
export function blockTokens(device: DeviceInfo["name"]): number {
  return deviceClass(device) === "GPU" ? 16 : 32;
}

/** Bytes of a KV value: the CPU plugin keeps u8 with a scale and a zero point for each head of a token; the others f16. */
const VALUE_BYTES: Readonly<Record<DeviceClass, number>> = { CPU: 1.25, GPU: 2, NPU: 2 };
/** More than this many whole contexts are never reserved together. */
const MOST_CONTEXTS = 64;
/** Share of the memory left beside the weights that KV caches may take, and the share for the sake of one whole context. */
const SHARE = 0.4;
const SHARE_OF_ONE = 0.8;
/** A placement whose cache cannot hold so many tokens (its context, where that is less) is not worth loading. */
const LEAST_TOKENS = 4096;

/**
 * How a placement is loaded with the memory that there is. Its KV cache takes, on CPU and GPU, as many whole contexts as run
 * at once (64 at most), shrunk to what the setting or a share of the free memory holds; it is reserved, not taken, at load.
 * An encoder has none: its inputs are batched to a bounded number of tokens, and nothing of them stays.
 * @throws ProxyError insufficient_memory, with the numbers
 */
export function planLoad(demand: LoadDemand): PlannedLoad {
  const { device, shape, kvCacheBytes } = demand;
  const room = roomFor(demand);
  const least = leastBytes(demand);
  if (least > room) throw tooLittle(demand, least, room);
  const fixed = fixedBytes(demand);
  if (isEncoder(demand.model) || deviceClass(device.name) === "NPU")
    return { shape, kvTokens: undefined, needBytes: least };
  const most = mostTokens(demand);
  const tokenBytes = kvBytes(demand, 1);
  if (tokenBytes === 0) return { shape, kvTokens: most, needBytes: fixed };
  const left = room - fixed;
  const share = Math.max(left * SHARE, Math.min(kvBytes(demand, shape.contextLength), left * SHARE_OF_ONE));
  const budget = Math.max(Math.min(kvCacheBytes || share, left), least - fixed);
  const kvTokens = Math.min(most, wholeBlocks(device, budget / tokenBytes));
  return { shape, kvTokens, needBytes: fixed + kvTokens * tokenBytes };
}

/** The memory without which it is not worth loading, in bytes: with a KV cache of 4,096 tokens; an NPU's has one size. */
export function leastBytes(demand: LoadDemand): number {
  const { device, shape, kvCacheBytes } = demand;
  const fixed = fixedBytes(demand);
  if (deviceClass(device.name) === "NPU") return fixed + kvBytes(demand, shape.contextLength);
  const least = kvBytes(demand, Math.min(shape.contextLength, LEAST_TOKENS));
  return fixed + Math.min(least, kvCacheBytes || least);
}

/** The memory state as the setting's limit leaves it: for the pressure, and what may still be loaded. */
export function withinLimit(memory: MemoryState, limitBytes: number, heldBytes: number): MemoryState {
  if (limitBytes === 0) return memory;
  return {
    availableBytes: Math.min(memory.availableBytes, Math.max(0, limitBytes - heldBytes)),
    totalBytes: Math.min(memory.totalBytes, limitBytes),
  };
}

/** Under these much is available: under the smaller of a share of all memory and a number of bytes. */
const TIGHT = { share: 0.08, bytes: GIB };
const CRITICAL = { share: 0.03, bytes: 384 * MIB };
/** A level is left once so many times its threshold is available, or it would come and go with every request. */
const RELIEF = 1.5;

/** The pressure that a memory state means after this one. */
export function pressureOf({ availableBytes, totalBytes }: MemoryState, current: Pressure): Pressure {
  const under = ({ share, bytes }: typeof TIGHT, stays: boolean): boolean =>
    availableBytes < Math.min(totalBytes * share, bytes) * (stays ? RELIEF : 1);
  if (under(CRITICAL, current === "critical")) return "critical";
  return under(TIGHT, current !== "normal") ? "tight" : "normal";
}

function roomFor({ memory, memoryLimitBytes, heldBytes, device }: LoadDemand): number {
  const { availableBytes } = withinLimit(memory, memoryLimitBytes, heldBytes);
  // An integrated GPU shares the machine's memory, another has its own: never more than either.
  return Math.min(availableBytes, (deviceClass(device.name) === "GPU" && device.memoryBytes) || availableBytes);
}

function fixedBytes({ model, device, compiled }: LoadDemand): number {
  const kind = deviceClass(device.name);
  const onNpu = device.emulated ? ON_NPU.emulated : compiled ? ON_NPU.compiled : ON_NPU.compiling;
  const loaded = LOADED[isEncoder(model) ? "encoder" : model.format];
  return RUNNER_BYTES[kind] + model.size * (kind === "NPU" ? onNpu : loaded);
}

function kvBytes({ model, device }: LoadDemand, tokens: number): number {
  if (isEncoder(model)) return 0;
  return tokens * Math.max(0, model.kvValuesPerToken ?? 0) * VALUE_BYTES[deviceClass(device.name)];
}

function mostTokens({ device, shape, parallel }: LoadDemand): number {
  const block = blockTokens(device.name);
  const contexts = Math.min(Math.max(1, parallel), MOST_CONTEXTS);
  return Math.ceil((contexts * shape.contextLength) / block) * block;
}

/** Tokens of the blocks that are full; one block at least. */
function wholeBlocks(device: DeviceInfo, tokens: number): number {
  const block = blockTokens(device.name);
  return Math.max(1, Math.floor(tokens / block)) * block;
}

function tooLittle({ model, device, memoryLimitBytes, compiled }: LoadDemand, need: number, room: number): ProxyError {
  const compiles = deviceClass(device.name) === "NPU" && !device.emulated && !compiled;
  const limit = memoryLimitBytes > 0 ? " or raise NPU_PROXY_MEMORY_LIMIT" : "";
  return new ProxyError(
    "insufficient_memory",
    `'${model.name}' on ${device.name} needs ${gib(need)} of memory${compiles ? " to be compiled" : ""}, ` +
      `${gib(room)} are available. Unload another model, choose a smaller one${limit}.`,
  );
}

function gib(bytes: number): string {
  return `${(Math.max(0, bytes) / GIB).toFixed(1)} GiB`;
}
