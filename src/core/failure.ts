/** What a failed attempt means for its request and for its placement. Pure. */
import type { ErrorCode, ProxyError } from "./errors.ts";

/** Failures that say nothing against the request itself: the next device may do better. */
const MOVES_ON: ReadonlySet<ErrorCode> = new Set([
  "model_not_loaded",
  "load_timeout",
  "device_error",
  "device_lost",
  "model_unfit",
  "insufficient_memory",
  "runner_crashed",
  "inference_failed",
]);

/** A runner that ended under a request is started anew, one that ran out of memory gets fewer at once. */
const TRIES_AGAIN: ReadonlySet<ErrorCode> = new Set(["runner_crashed", "device_lost", "insufficient_memory"]);

/** Failures of the engine or its device: they count against the placement. */
const OF_ENGINE: ReadonlySet<ErrorCode> = new Set([
  "runner_crashed",
  "device_lost",
  "device_error",
  "inference_failed",
  "token_timeout",
]);

/** True where another device may do better. */
export function movesOn({ code }: ProxyError, signal: AbortSignal): boolean {
  return !signal.aborted && MOVES_ON.has(code);
}

/**
 * True where there is a point in trying the same device a second time.
 * @param seated the request had its place there; a runner may also end just before it takes one (a load that crashes is
 *   model_not_loaded)
 */
export function triesAgain({ code }: ProxyError, seated: boolean): boolean {
  return code === "runner_crashed" || (seated && TRIES_AGAIN.has(code));
}

/** True where the engine or its device failed, and not the request. */
export function isOfEngine({ code }: ProxyError): boolean {
  return OF_ENGINE.has(code);
}
