/** What GenAI is given as a model's path. */
import { readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * The model's folder, or the one GGUF file in it: GenAI reads OpenVINO's layout from a folder and GGUF from a file. Whether
 * there is exactly one was checked when the folder was inspected; of a folder that is gone GenAI says so.
 */
export function modelPath(directory: string): string {
  const names = readable(directory);
  if (names.includes("openvino_model.xml")) return directory;
  const gguf = names.find((name) => /\.gguf$/i.test(name));
  return gguf === undefined ? directory : join(directory, gguf);
}

function readable(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
