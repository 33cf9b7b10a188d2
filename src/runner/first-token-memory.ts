/** What a model's probe said first on the CPU, kept so that other devices' loads can be compared with it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Model } from "../core/model.ts";
import { keepNote } from "../native/cache-note.ts";

export class FirstTokenMemory {
  readonly #folder: string;

  constructor(cacheDirectory: string) {
    this.#folder = join(cacheDirectory, "first-token");
  }

  /** Undefined where the CPU did not say yet, or was in doubt. */
  async recall(model: Model): Promise<string | undefined> {
    return (await readFile(this.#file(model), "utf8").catch(() => "")) || undefined;
  }

  /** What cannot be written is not compared with. */
  async keep(model: Model, token: string): Promise<void> {
    await keepNote(this.#file(model), token);
  }

  #file({ digest }: Model): string {
    return join(this.#folder, digest.slice(0, 32));
  }
}
