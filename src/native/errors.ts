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

/** What the words of a library or a driver mean, whatever it was doing. */
type Meaning = Extract<ErrorCode, "device_lost" | "insufficient_memory">;

/**
 * Level Zero's and OpenCL's names and numbers, as OpenVINO prints them (zero_wrappers.cpp, ocl_stream.cpp) and its users
 * met them: openvino #24560, #29386, #31439, #36161 (NPU lost), #25241 (NPU, host memory), #30409, #35723, #29062 (GPU: -5
 * may be either, and what calls the driver after it may hang), #22332 (GPU: one allocation too large).
 */
const MEANINGS: readonly (readonly [RegExp, Meaning])[] = [
  [/DEVICE_LOST\b|0x70000001\b|DEVICE_NOT_AVAILABLE\b|\[GPU\].*error code: -2\b/, "device_lost"],
  [/OUT_OF_(DEVICE|HOST)_MEMORY\b|OUT_OF_RESOURCES\b|MEM_OBJECT_ALLOCATION_FAILURE\b/, "insufficient_memory"],
  [/\[GPU\].*error code: -[456]\b|Exceeded max size of memory|dnnl_out_of_memory\b/, "insufficient_memory"],
  [
    /\bbad_alloc\b|\bbad allocation\b|Cannot allocate memory|Failed to allocate|\[CPU\].*can't alloc\b|[Oo]ut of memory/,
    "insufficient_memory",
  ],
];

/** The codes under which a driver may fail; the words of the others may be a client's. */
const OF_A_DEVICE: ReadonlySet<NativeErrorCode | undefined> = new Set([undefined, "load", "device", "inference"]);

const SENTENCES: Readonly<Record<Meaning, string>> = {
  device_lost:
    "The device was lost: it hung, was reset or was removed. It is looked for again before the next request.",
  insufficient_memory:
    "The engine ran out of memory, or its device did. Shorter requests, or fewer at once, need less.",
};

/** Undefined where the words mean neither. */
export function meaningOf(message: string): Meaning | undefined {
  return MEANINGS.find(([words]) => words.test(message))?.[1];
}

/** True of a failure after which this process cannot use the driver any more: it must end, whoever else is running. */
export function isOfTheDriver({
  code,
  message = "",
}: {
  readonly code?: NativeErrorCode;
  readonly message?: string;
}): boolean {
  return OF_A_DEVICE.has(code) && meaningOf(message) !== undefined;
}

/** Codes whose own words are for the log only: they name folders, libraries and drivers. */
const FOR_THE_LOG: ReadonlySet<NativeErrorCode | undefined> = new Set([undefined, "load", "device", "self_check"]);

/** Anything the addon threw; its words become `detail` where they may name folders, libraries or drivers. */
export function nativeError(thrown: unknown): ProxyError {
  if (thrown instanceof ProxyError) return thrown;
  const { code, message = String(thrown) } = thrown as { code?: NativeErrorCode; message?: string };
  const meaning = OF_A_DEVICE.has(code) ? meaningOf(message) : undefined;
  if (meaning) return new ProxyError(meaning, SENTENCES[meaning], { detail: message, cause: thrown });
  return new ProxyError(
    (code && CODES[code]) ?? "internal_error",
    FOR_THE_LOG.has(code)
      ? "The engine could not do this with this model on this device; the server's log has its reason."
      : message,
    { detail: message, cause: thrown },
  );
}
