/**
 * The closed list of what can go wrong. Every edge (HTTP status, each API's envelope, exit code) maps it with an
 * exhaustive `Record<ErrorCode, …>`, so that a new code does not compile until every edge knows it.
 */
export type ErrorCode =
  // the caller's doing
  | "invalid_json"
  | "invalid_request"
  | "unsupported_field"
  | "invalid_grammar"
  | "invalid_template"
  | "context_length_exceeded"
  | "model_not_found"
  | "route_not_found"
  | "method_not_allowed"
  | "host_not_allowed"
  | "body_too_large"
  | "client_closed"
  | "slow_reader"
  // the machine's or the installation's
  | "invalid_setting"
  | "address_in_use"
  | "address_unavailable"
  | "server_unreachable"
  | "storage_failed"
  | "storage_full"
  | "model_read_only"
  | "conversion_failed"
  | "runtime_missing"
  | "runtime_mismatch"
  | "runtime_failed"
  | "model_invalid"
  | "device_error"
  | "device_lost"
  | "model_unfit"
  | "insufficient_memory"
  | "state_locked"
  // the hub's
  | "hub_unreachable"
  | "hub_denied"
  | "hub_failed"
  | "download_corrupt"
  // ours
  | "model_not_loaded"
  | "load_timeout"
  | "queue_full"
  | "queue_timeout"
  | "shutting_down"
  | "runner_crashed"
  | "inference_failed"
  | "inference_timeout"
  | "token_timeout"
  | "internal_error";

export interface ErrorDetails {
  /** The request field at fault, as the caller spelt it. */
  readonly param?: string;
  /** What belongs in the log and never in an answer: paths, native messages. */
  readonly detail?: string;
  readonly cause?: unknown;
  /** With device_error: the devices that there are. */
  readonly availableDevices?: readonly string[];
  /** With context_length_exceeded: the longest prompt that would do, in tokens. */
  readonly limit?: number;
  /** When to try again, in ms, where that can be told. */
  readonly retryAfterMs?: number;
}

/** The one error class. `message` is a sentence for the client: no local path, no secret. */
export class ProxyError extends Error {
  override readonly name = "ProxyError";
  readonly code: ErrorCode;
  readonly param: string | undefined;
  readonly detail: string | undefined;
  readonly availableDevices: readonly string[] | undefined;
  readonly limit: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.param = details.param;
    this.detail = details.detail;
    this.availableDevices = details.availableDevices;
    this.limit = details.limit;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Anything thrown, as a ProxyError: unknown things become `internal_error` and keep their text out of the answer. */
export function asProxyError(thrown: unknown): ProxyError {
  if (thrown instanceof ProxyError) return thrown;
  if (thrown instanceof Error && thrown.name === "AbortError")
    return new ProxyError("client_closed", "The client closed the connection before the answer was complete.");
  return new ProxyError("internal_error", "Something in npu-proxy failed; its log has the details.", {
    detail: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
    cause: thrown,
  });
}
