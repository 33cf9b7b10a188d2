/** A conversion in a runner of its own: weights that make the library crash or hang take nothing else with them. */
import { asProxyError, ProxyError } from "../core/errors.ts";
import type { Observer } from "../core/ports.ts";
import type { ToRunner } from "../core/runner-protocol.ts";
import { ask } from "./ask.ts";
import type { RunnerConnection } from "./connection.ts";

type Conversion = Extract<ToRunner, { readonly op: "convert" | "write_ir" }>;

/** Gigabytes of weights on a slow disk are converted in minutes. */
const TIMEOUT_MS = 30 * 60_000;

/**
 * Converts an encoder's safetensors or a GGUF file and ends the runner, whatever comes of it. The signal ends it at once.
 * @throws ProxyError conversion_failed, runtime_*
 */
export async function convertInRunner(
  connection: RunnerConnection,
  conversion: Conversion,
  observer: Observer,
  signal: AbortSignal,
): Promise<void> {
  const late = new ProxyError("conversion_failed", `The conversion took over ${TIMEOUT_MS / 60_000} minutes.`);
  try {
    await ask(connection, conversion, "converted", TIMEOUT_MS, late, signal);
  } catch (thrown) {
    const error = asProxyError(thrown);
    observer.log("error", "conversion failed", { code: error.code, detail: error.detail });
    if (error.code !== "runner_crashed") throw error;
    throw new ProxyError(
      "conversion_failed",
      "The process that converted the model ended before it was done: not enough memory, or weights that it cannot " +
        "read. The log has its last words.",
      { detail: error.detail ?? "", cause: error },
    );
  } finally {
    await connection.kill();
  }
}
