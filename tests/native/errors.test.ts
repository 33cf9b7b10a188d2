import { expect, test } from "bun:test";
import type { NativeErrorCode } from "../../src/native/contract.ts";
import { isOfTheDriver, nativeError } from "../../src/native/errors.ts";

/** As OpenVINO and the drivers print them, after the addon took files and lines away. */
const LOST = [
  "L0 zeFenceHostSynchronize result: ZE_RESULT_ERROR_DEVICE_LOST, code 0x70000001 - device hung, reset, was removed, or driver update occurred",
  "L0 zeCommandQueueExecuteCommandLists result: ZE_RESULT_ERROR_DEVICE_LOST, code 0x70000001 - device hung",
  "[GPU] clEnqueueNDRangeKernel, error code: -2",
  "[GPU] clWaitForEvents, error code: -2 CL_DEVICE_NOT_AVAILABLE",
];
const MEMORY = [
  "L0 pfnCreate2 result: ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY, code 0x70000002 - insufficient host memory to satisfy call",
  "L0 zeMemAllocDevice result: ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY, code 0x70000003",
  "[GPU] clFlush, error code: -5",
  "[GPU] clFinish, error code: -5 CL_OUT_OF_RESOURCES",
  "[GPU] CL_OUT_OF_RESOURCES exception. Please try to update the driver or reduce memory consumption",
  "[GPU] clCreateBuffer, error code: -4",
  "[GPU] Exceeded max size of memory object allocation: requested 6442450944 bytes, but max alloc size is 4294959104 bytes",
  "std::bad_alloc",
  "bad allocation",
  "mmap failed: Cannot allocate memory",
];
const NEITHER = [
  "[GPU] clEnqueueNDRangeKernel, error code: -54",
  "[GPU] clBuildProgram, error code: -20",
  "Stateful LLM pipeline on NPU may only process prompts or hold chat history up to 1024 tokens. 1500 is passed.",
  "L0 zeGraphSetArgumentValue result: ZE_RESULT_ERROR_INVALID_ARGUMENT, code 0x78000004 - generic error code",
  "",
];

test("a lost device and missing memory are known by the words of libraries and drivers", () => {
  for (const code of ["load", "device", "inference"] as const) {
    const told = (message: string) => [message, nativeError({ code, message }).code];
    for (const message of LOST) expect(told(message)).toEqual([message, "device_lost"]);
    for (const message of MEMORY) expect(told(message)).toEqual([message, "insufficient_memory"]);
    const else_ = { load: "model_not_loaded", device: "device_error", inference: "inference_failed" } as const;
    for (const message of NEITHER) expect(told(message)).toEqual([message, else_[code]]);
  }
  expect(nativeError(new Error(LOST[0])).code).toBe("device_lost");
});

test("those words stay in the log; a client reads a sentence", () => {
  for (const message of [...LOST, ...MEMORY]) {
    const error = nativeError({ code: "inference", message });
    expect(error.detail).toBe(message);
    expect(error.message).toMatch(/^The (device was lost|engine ran out of memory)/);
    expect(error.message).not.toMatch(/ZE_|CL_|error code|alloc/);
  }
});

test("a client's own words mean nothing", () => {
  for (const code of ["grammar", "template", "invalid", "capacity"] satisfies NativeErrorCode[]) {
    const error = { code, message: "'ZE_RESULT_ERROR_DEVICE_LOST' is no type; std::bad_alloc" };
    expect(["device_lost", "insufficient_memory"]).not.toContain(nativeError(error).code);
    expect(isOfTheDriver(error)).toBe(false);
  }
});

test("after a failure of the driver its process cannot go on; after one of ours it can", () => {
  for (const message of [...LOST, ...MEMORY]) expect(isOfTheDriver({ code: "inference", message })).toBe(true);
  expect(isOfTheDriver({ code: "memory", message: "The engine's process ran out of memory." })).toBe(false);
  expect(isOfTheDriver({ code: "inference", message: "The answer's tokens could not be passed on." })).toBe(false);
});
