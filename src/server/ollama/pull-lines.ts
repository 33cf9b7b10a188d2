import type { ProxyError } from "../../core/errors.ts";
import type { PullEvent } from "../../core/library.ts";
import { errorText } from "./translate.ts";

/**
 * A pull in Ollama's words (its server/images.go), which its clients make bars of by `digest`. Ours besides: `file`, the
 * phases that Ollama has not (a text without a digest), and what became of it in the last line.
 * @param name the model as the client named it
 */
export class PullLines {
  readonly #name: string;
  /** Before the first file Ollama says where it failed. */
  #resolving = true;

  constructor(name: string) {
    this.#name = name;
  }

  line(event: PullEvent): Readonly<Record<string, unknown>> {
    switch (event.type) {
      case "resolving":
        return { status: "pulling manifest" };
      case "chosen":
        return { status: `using ${event.repository} for ${event.name}: ${event.reason}` };
      case "file": {
        this.#resolving = false;
        const { file, digest, total, completed } = event;
        // As Ollama's: no `completed` where nothing came yet.
        const progress = { total, ...(completed > 0 && { completed }) };
        return { status: `pulling ${digest.slice(0, 12)}`, digest: `sha256:${digest}`, ...progress, file };
      }
      case "retry": {
        const { file, reason, seconds } = event;
        const pause = seconds > 0 ? `retrying ${file && `${file} `}in ${Math.ceil(seconds)} s: ` : "";
        return { status: pause + reason, ...(file && { file }) };
      }
      case "verifying":
        return { status: "verifying sha256 digest" };
      case "converting":
        return { status: `converting: ${event.line}` };
      case "writing":
        return { status: "writing manifest" };
      case "inspecting":
        return { status: "inspecting model" };
      case "done":
        return { status: "success", model: event.model, notes: event.notes, unchanged: event.unchanged };
    }
  }

  /** The text of an error, and our own code of it. */
  error(error: ProxyError): { readonly error: string; readonly code: string } {
    const text = errorText(error, this.#name);
    return { error: this.#resolving ? `pull model manifest: ${text}` : text, code: error.code };
  }
}
