/** The IR of a GGUF model, kept beside the file: GenAI reads that faster than it makes it anew with every load. */
import { ProxyError } from "../../core/errors.ts";
import type { GgufConverter } from "../../core/library.ts";
import type { ManifestFile } from "../store/manifest.ts";
import { type FreeSpace, requireSpace } from "./free-space.ts";
import { settle } from "./settled-files.ts";

/** The graphs of it; each has its .bin. */
export const IR_OF_GGUF = ["openvino_model.xml", "openvino_tokenizer.xml", "openvino_detokenizer.xml"] as const;

/** As manifests have it. */
export const IR_COMMAND = "npu-proxy (IR beside the GGUF file, by GenAI's reader)";

/** What it takes to make one. */
export interface IrKitchen {
  /** Absent: none is made. */
  readonly ggufConverter?: GgufConverter;
  readonly freeSpace: FreeSpace;
}

/** Whether these are the files of a GGUF model with its IR. */
export function hasKeptIr(files: readonly ManifestFile[]): boolean {
  return files.some(isGguf) && files.some(({ path }) => path === IR_OF_GGUF[0]);
}

/** Whether these are the files of a GGUF model without its IR. */
export function lacksIr(files: readonly ManifestFile[]): boolean {
  return files.some(isGguf) && !hasKeptIr(files);
}

/**
 * Writes the IR of the GGUF file in a folder and returns all files of it, in the order of their names.
 * @param files those that are there
 * @throws ProxyError conversion_failed, runtime_*, storage_full; of what was written a part may stay then
 */
export async function keepIr(
  folder: string,
  files: readonly ManifestFile[],
  { ggufConverter, freeSpace }: IrKitchen,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<readonly ManifestFile[]> {
  if (!ggufConverter)
    throw new ProxyError(
      "conversion_failed",
      "This npu-proxy keeps no IR of GGUF models. Ask for the model without it.",
    );
  const size = files.filter(isGguf).reduce((sum, file) => sum + file.size, 0);
  await requireSpace(folder, size, freeSpace);
  onLine("writing the model in OpenVINO's format, too");
  await ggufConverter.writeIr(folder, signal);
  const made = IR_OF_GGUF.flatMap((xml) => [xml, xml.replace(/xml$/, "bin")]);
  return [...files, ...(await settle(folder, made, signal))].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function isGguf({ path }: ManifestFile): boolean {
  return /\.gguf$/i.test(path);
}
