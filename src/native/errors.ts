/** What the addon throws, in our codes. */
import { type ErrorCode, ProxyError } from "../core/errors.ts";
import type { NativeErrorCode } from "./contract.ts";

const CODES: Readonly<Record<NativeErrorCode, ErrorCode>> = {
  self_check: "runtime_mismatch",
  load: "model_not_loaded",
  device: "device_error",
  grammar: "invalid_grammar",
  template: "invalid_template",
  invalid: "invalid_request",
  capacity: "context_length_exceeded",
  memory: "insufficient_memory",
  inference: "inference_failed",
  closed: "shutting_down",
};

/** Codes whose own words are for the log only: they name folders, libraries and drivers. */
const FOR_THE_LOG: ReadonlySet<NativeErrorCode | undefined> = new Set([undefined, "load", "device", "self_check"]);

/** Anything the addon threw; its words become `detail` where they may name folders, libraries or drivers. */
export function nativeError(thrown: unknown): ProxyError {
  if (thrown instanceof ProxyError) return thrown;
  const { code, message = String(thrown) } = thrown as { code?: NativeErrorCode; message?: string };
  return new ProxyError(
    (code && CODES[code]) ?? "internal_error",
    FOR_THE_LOG.has(code)
      ? "The engine could not do this with this model on this device; the server's log has its reason."
      : message,
    { detail: message, cause: thrown },
  );
}
