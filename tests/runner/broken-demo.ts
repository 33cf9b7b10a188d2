/** Copies of the demo, each broken in its own way, in one models folder. */
import { chmodSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { copyDemo } from "../support/demo.ts";

export class ModelsFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** A whole copy that may be written to. */
  copy(name: string): string {
    const folder = copyDemo(this.path, name);
    chmodSync(folder, 0o755);
    for (const file of readdirSync(folder)) chmodSync(join(folder, file), 0o644);
    return folder;
  }

  truncated(name: string, file: string, bytes: number): void {
    truncateSync(join(this.copy(name), file), bytes);
  }

  overwritten(name: string, file: string, content: string | Uint8Array): void {
    writeFileSync(join(this.copy(name), file), content);
  }

  /** With other values in config.json. */
  configured(name: string, values: Readonly<Record<string, unknown>>, file = "config.json"): void {
    const path = join(this.copy(name), file);
    const config = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    writeFileSync(path, JSON.stringify({ ...config, ...values }));
  }

  /** With another chat template, in the tokenizer's own file: that is where GenAI takes it from. */
  templated(name: string, template: string): void {
    const path = join(this.copy(name), "openvino_tokenizer.xml");
    const xml = readFileSync(path, "utf8");
    const escaped = template.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
    const changed = xml.replace(/<chat_template value="[^"]*"/, () => `<chat_template value="${escaped}"`);
    if (changed === xml) throw new Error("The demo's tokenizer has no chat template to replace.");
    writeFileSync(path, changed);
  }

  /** A model that never ends by itself, with room for `contextLength` tokens: no token of its output is its end. */
  endless(name: string, contextLength: number): void {
    this.configured(name, { max_position_embeddings: contextLength });
    const path = join(this.path, name, "generation_config.json");
    const unused = 0;
    writeFileSync(path, JSON.stringify({ eos_token_id: [unused], do_sample: false }));
  }
}
