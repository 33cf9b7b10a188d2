/** The prefill chunk that a load measured, kept for the next load of the same model on the same device. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Model } from "../core/model.ts";
import type { Device } from "../core/request.ts";
import { keepNote } from "../native/cache-note.ts";

export class PrefillMemory {
  readonly #folder: string;

  constructor(cacheDirectory: string) {
    this.#folder = join(cacheDirectory, "prefill");
  }

  /** In tokens; undefined where nothing was measured yet. */
  async recall(model: Model, device: Device): Promise<number | undefined> {
    const text = await readFile(this.#file(model, device), "utf8").catch(() => "");
    const chunk = Number(text);
    return Number.isInteger(chunk) && chunk >= 1 ? chunk : undefined;
  }

  /** What cannot be written is measured again next time. */
  async keep(model: Model, device: Device, chunk: number): Promise<void> {
    await keepNote(this.#file(model, device), String(chunk));
  }

  #file(model: Model, device: Device): string {
    return join(this.#folder, `${model.digest.slice(0, 32)}-${device}`);
  }
}
