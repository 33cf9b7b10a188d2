/** How large the KV cache of a placement may grow: the memory that there is, not what GenAI would take. Pure. */
import { type Device, deviceClass } from "./request.ts";

export interface KvDemand {
  readonly device: Device;
  /** Numbers that one token leaves in the cache: layers x KV heads x head size x 2. 0: the model does not tell. */
  readonly valuesPerToken: number;
  /** Tokens. */
  readonly contextLength: number;
  /** Bytes of the model's files, which are not loaded yet. */
  readonly modelBytes: number;
  /** Bytes that the machine can give without swapping. */
  readonly availableBytes: number;
  /** NPU_PROXY_KV_CACHE_SIZE in bytes; 0: a share of what is available. */
  readonly wantedBytes: number;
}

/** Tokens of a KV block (GenAI: 32 on the CPU, 16 on a GPU). */
function blockTokens(device: Device): number {
  return deviceClass(device) === "GPU" ? 16 : 32;
}

/** Share of the memory that is left beside the model. */
const SHARE = 0.4;
/** More than this many whole contexts are never reserved together. */
const MOST_CONTEXTS = 64;
/** Bytes of a value: the CPU plugin keeps u8 with a scale and a zero point for each head of a token; GPUs f16. */
const VALUE_BYTES = { CPU: 1.25, GPU: 2, NPU: 2 } as const;

/** KV blocks that requests may reserve together: at least one, at most 64 whole contexts. */
export function kvBlocks(demand: KvDemand): number {
  const tokens = blockTokens(demand.device);
  const most = Math.ceil((MOST_CONTEXTS * demand.contextLength) / tokens);
  if (demand.valuesPerToken <= 0) return most;
  const budget = demand.wantedBytes || Math.max(0, demand.availableBytes - demand.modelBytes) * SHARE;
  const blockBytes = tokens * demand.valuesPerToken * VALUE_BYTES[deviceClass(demand.device)];
  return Math.min(most, Math.max(1, Math.floor(budget / blockBytes)));
}
