/** What a request of any API wishes beside what it asks: where it runs, how soon, how long, and who asks. */
import type { Context } from "hono";
import { ProxyError } from "../core/errors.ts";
import { keepAliveMs } from "../core/keep-alive.ts";
import type { GenerateRequest, Priority } from "../core/request.ts";
import { wishOf } from "../core/routing/wish.ts";
import type { ServerEnv } from "./exchange.ts";

/** The fields of a body that every API of ours understands, by Ollama's names. */
interface Given {
  /** As the client named it; "@cpu" at its end wishes for that device. */
  readonly model: string;
  readonly keep_alive?: number | string | null | undefined;
}

export type Wishes = Pick<GenerateRequest, "model" | "device" | "priority" | "timeoutMs" | "client" | "keepAliveMs">;

/** Longest time that a request may give itself, in ms: what fits every timer. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * The wishes of one request, from its headers, its model's name and its body.
 * @throws ProxyError invalid_request naming the header or field
 */
export function wishesOf(c: Context<ServerEnv>, { model: named, keep_alive }: Given): Wishes {
  const { model, device } = wishOf(named, c.req.header("X-NPU-Proxy-Device"));
  const priority = priorityOf(c.req.header("X-NPU-Proxy-Priority"));
  const timeoutMs = timeoutOf(c.req.header("X-NPU-Proxy-Timeout"));
  const client = clientOf(c);
  return {
    model,
    ...(device !== undefined && { device }),
    ...(priority !== undefined && { priority }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(client !== undefined && { client }),
    ...(keep_alive != null && { keepAliveMs: keepAliveMs(keep_alive) }),
  };
}

function priorityOf(header: string | undefined): Priority | undefined {
  if (header === undefined) return undefined;
  const priority = (["interactive", "batch"] as const).find((name) => name === header.trim().toLowerCase());
  if (priority) return priority;
  throw wrongHeader("X-NPU-Proxy-Priority", "must be interactive or batch");
}

/** Seconds, as a decimal number above 0; in ms. */
function timeoutOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const ms = /^(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) * 1000 : 0;
  if (ms > 0) return Math.min(ms, LONGEST_MS);
  throw wrongHeader("X-NPU-Proxy-Timeout", "must be a number of seconds above 0, such as 30 or 0.5");
}

function wrongHeader(param: string, predicate: string): ProxyError {
  return new ProxyError("invalid_request", `The header ${param} ${predicate}.`, { param });
}

/**
 * Whom queues are fair to: whoever has the same key, and without one each connection. Of a key only a part of its hash
 * is kept, which is enough to tell two apart.
 */
function clientOf(c: Context<ServerEnv>): string | undefined {
  const bearer = /^Bearer\s+(\S+)\s*$/i.exec(c.req.header("Authorization") ?? "")?.[1];
  const key = bearer ?? c.req.header("x-api-key");
  if (!key) return c.env?.peer;
  return `key:${new Bun.CryptoHasher("sha256").update(key).digest("hex").slice(0, 16)}`;
}
