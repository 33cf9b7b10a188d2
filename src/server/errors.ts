import { asProxyError, type ErrorCode, ProxyError } from "../core/errors.ts";
import type { Observer } from "../core/ports.ts";
import type { Dialect } from "./dialect.ts";
import type { Exchange } from "./exchange.ts";

/** The HTTP status of each error that comes before the first byte of an answer. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  invalid_json: 400,
  invalid_request: 400,
  unsupported_field: 400,
  invalid_grammar: 400,
  invalid_template: 400,
  context_length_exceeded: 400,
  model_not_found: 404,
  route_not_found: 404,
  method_not_allowed: 405,
  host_not_allowed: 421,
  body_too_large: 413,
  client_closed: 499,
  slow_reader: 408,
  invalid_setting: 500,
  address_in_use: 500,
  address_unavailable: 500,
  server_unreachable: 502,
  storage_failed: 500,
  storage_full: 507,
  model_read_only: 400,
  conversion_failed: 500,
  runtime_missing: 500,
  runtime_mismatch: 500,
  runtime_failed: 500,
  model_invalid: 500,
  device_error: 503,
  device_lost: 503,
  model_unfit: 503,
  insufficient_memory: 503,
  state_locked: 500,
  hub_unreachable: 502,
  // Not the hub's 401: Ollama's command line turns that into a prompt to sign in.
  hub_denied: 403,
  hub_failed: 502,
  download_corrupt: 502,
  model_not_loaded: 500,
  load_timeout: 504,
  queue_full: 503,
  queue_timeout: 504,
  shutting_down: 503,
  runner_crashed: 500,
  inference_failed: 500,
  inference_timeout: 504,
  token_timeout: 504,
  internal_error: 500,
};

/** Refusals under load: each request's own log line tells its code, and a line more for each would only add to the load. */
const UNTOLD: ReadonlySet<ErrorCode> = new Set(["queue_full", "shutting_down"]);

/** The HTTP status that tells a code, in an API that may have its own opinion. */
export function statusOf(code: ErrorCode, dialect?: Pick<Dialect, "statuses">): number {
  return dialect?.statuses?.[code] ?? STATUS[code];
}

/** What was thrown, as the error to tell: whatever fails after the client left failed because the client left. */
export function toldError(thrown: unknown, client: AbortSignal): ProxyError {
  return client.aborted
    ? new ProxyError("client_closed", "The client closed the connection before the answer was complete.")
    : asProxyError(thrown);
}

/** Logs what no answer may hold: the detail of an error, and anything that is not the caller's doing. */
export function logError(error: ProxyError, exchange: Exchange, observer: Observer): void {
  const ours = statusOf(error.code) >= 500;
  if (UNTOLD.has(error.code) || (!ours && error.detail === undefined)) return;
  observer.log(ours ? "error" : "warn", "request failed", {
    id: exchange.id,
    code: error.code,
    message: error.message,
    detail: error.detail,
  });
}

/** When to come back, in whole seconds: told wherever it is known, and of a full queue always. */
function retryAfter({ code, retryAfterMs }: ProxyError): { readonly "Retry-After"?: string } {
  if (retryAfterMs === undefined && code !== "queue_full") return {};
  return { "Retry-After": String(Math.max(1, Math.ceil((retryAfterMs ?? 0) / 1000))) };
}

/** An error as an answer in the API's own envelope; X-NPU-Proxy-Error tells the code that Ollama's has no place for. */
export function errorResponse(
  error: ProxyError,
  exchange: Exchange,
  dialect: Dialect,
  status: number = statusOf(error.code, dialect),
): Response {
  exchange.error = error.code;
  const body = dialect.errorBody(error, exchange.model);
  const [type, text] = typeof body === "string" ? ["text/plain", body] : ["application/json", JSON.stringify(body)];
  const headers = {
    "Content-Type": `${type}; charset=utf-8`,
    "X-NPU-Proxy-Error": error.code,
    ...retryAfter(error),
  };
  return new Response(text, { status, headers });
}
