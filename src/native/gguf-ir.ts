/** OpenVINO's model of a GGUF file, as GenAI's own reader writes it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ProxyError } from "../core/errors.ts";
import type { Addon } from "./contract.ts";
import { modelPath } from "./model-path.ts";

/** What GenAI 2026.4 writes with `enable_save_ov_model`: on a full disk nothing, and no word about it. */
const WRITTEN = ["openvino_model", "openvino_tokenizer", "openvino_detokenizer"];

/** Enough for the engine's four tokens of its own. */
const CAPACITY = 64;

/**
 * Loads the one GGUF file of a folder on the CPU, once, so that GenAI writes what it made of it beside the file. The static
 * pipeline alone does so with the tokenizer as well; batching hands the property to the model only.
 * @throws ProxyError conversion_failed
 */
export async function writeIr(addon: Addon, directory: string): Promise<void> {
  try {
    const engine = await addon.loadEngine(
      {
        directory: modelPath(directory),
        device: "CPU",
        pipeline: "static",
        capacity: CAPACITY,
        properties: { enable_save_ov_model: true },
      },
      () => undefined,
    );
    await engine.close();
  } catch (error) {
    throw failed("GenAI does not load it; the log has the reason", error);
  }
  const missing = WRITTEN.flatMap((name) => [`${name}.xml`, `${name}.bin`]).filter(
    (file) => !existsSync(join(directory, file)),
  );
  if (missing.length > 0) throw failed(`GenAI did not write ${missing.join(", ")}`, undefined);
}

function failed(why: string, cause: unknown): ProxyError {
  return new ProxyError(
    "conversion_failed",
    `The GGUF model was not written in OpenVINO's format: ${why}. Without --ir it is served from the GGUF file.`,
    { ...(cause instanceof Error && { detail: cause.message }), cause },
  );
}
