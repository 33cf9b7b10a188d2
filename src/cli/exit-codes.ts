/** How errors end the process: one exhaustive table of exit codes, one form on stderr. */
import { asProxyError, type ErrorCode, type ProxyError } from "../core/errors.ts";
import { printError, ReaderLeft, withoutControls } from "./output.ts";

export const exitCode = { ok: 0, failure: 1, usage: 2, notFound: 3, interrupted: 130 } as const;

/** The part of --help that lists them. */
export const exitCodesHelp = `Exit codes:
  0    done
  1    something failed; stderr says what
  2    wrong command line, setting or request
  3    no such model
  130  stopped by Ctrl-C`;

const exitCodes: Record<ErrorCode, number> = {
  invalid_json: exitCode.usage,
  invalid_request: exitCode.usage,
  unsupported_field: exitCode.usage,
  invalid_grammar: exitCode.usage,
  invalid_template: exitCode.usage,
  context_length_exceeded: exitCode.usage,
  model_not_found: exitCode.notFound,
  route_not_found: exitCode.failure,
  method_not_allowed: exitCode.failure,
  host_not_allowed: exitCode.failure,
  body_too_large: exitCode.usage,
  client_closed: exitCode.interrupted,
  slow_reader: exitCode.failure,
  invalid_setting: exitCode.usage,
  address_in_use: exitCode.failure,
  address_unavailable: exitCode.failure,
  server_unreachable: exitCode.failure,
  storage_failed: exitCode.failure,
  storage_full: exitCode.failure,
  model_read_only: exitCode.usage,
  conversion_failed: exitCode.failure,
  runtime_missing: exitCode.failure,
  runtime_mismatch: exitCode.failure,
  runtime_failed: exitCode.failure,
  model_invalid: exitCode.failure,
  device_error: exitCode.failure,
  device_lost: exitCode.failure,
  model_unfit: exitCode.failure,
  insufficient_memory: exitCode.failure,
  state_locked: exitCode.failure,
  hub_unreachable: exitCode.failure,
  hub_denied: exitCode.failure,
  hub_failed: exitCode.failure,
  download_corrupt: exitCode.failure,
  model_not_loaded: exitCode.failure,
  load_timeout: exitCode.failure,
  queue_full: exitCode.failure,
  queue_timeout: exitCode.failure,
  shutting_down: exitCode.failure,
  runner_crashed: exitCode.failure,
  inference_failed: exitCode.failure,
  inference_timeout: exitCode.failure,
  token_timeout: exitCode.failure,
  internal_error: exitCode.failure,
};

/** Every code, in the order of core/errors.ts. */
export const errorCodes = Object.keys(exitCodes) as readonly ErrorCode[];

/** How a command that fails with this code ends. */
export function exitCodeOf(code: ErrorCode): number {
  return exitCodes[code];
}

/** Whether this version knows the code; a server of another version may have others. */
export function isErrorCode(text: string | null | undefined): text is ErrorCode {
  return typeof text === "string" && Object.hasOwn(exitCodes, text);
}

/** Tells an error on stderr, as every command does, and resolves with its exit code. */
export async function reportError(thrown: unknown): Promise<number> {
  if (thrown instanceof ReaderLeft) return exitCode.ok;
  const error = asProxyError(thrown);
  if (error.code === "client_closed") return exitCode.interrupted;
  await printError(errorText(error));
  return exitCodeOf(error.code);
}

/** `npu-proxy: sentence (code)`, and what only the owner of this terminal may see (paths, native messages) below. */
export function errorText(error: ProxyError): string {
  const detail = error.detail ? `  ${error.detail.trimEnd().replaceAll("\n", "\n  ")}\n` : "";
  return withoutControls(`npu-proxy: ${error.message} (${error.code})\n${detail}`);
}
