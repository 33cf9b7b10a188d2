/** A real daemon with a real embedder, all-MiniLM-L6-v2, and questions to it in the words of its APIs. */
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, startDaemon } from "./daemon.ts";
import { temporaryFolder } from "./demo.ts";
import { MINILM, miniLm } from "./minilm.ts";

export interface EmbedderDaemon extends AsyncDisposable {
  readonly daemon: Daemon;
  /** /api/embed. @throws Error where it does not answer with 200 */
  embed(input: string | readonly string[], more?: Readonly<Record<string, unknown>>): Promise<EmbedAnswer>;
  /** Asks this model, where the body names no other; a string is sent as it stands. */
  post(path: string, body: string | Readonly<Record<string, unknown>>): Promise<Response>;
  /** Sends lines of JSON to an address that answers with lines, of this model where it names no other. */
  postLines(path: string, lines: string): Promise<{ readonly status: number; readonly text: string }>;
}

export interface EmbedAnswer {
  readonly embeddings: readonly (readonly number[])[];
  readonly prompt_eval_count: number;
}

/** @param type of the model's weights */
export async function startEmbedder(
  settings: Readonly<Record<string, string>> = {},
  type: "f16" | "int8" = "f16",
): Promise<EmbedderDaemon> {
  const models = temporaryFolder();
  symlinkSync(await miniLm(type), join(models.path, MINILM));
  const daemon = await startDaemon({
    NPU_PROXY_MODEL_PATH: models.path,
    NPU_PROXY_LOG_LEVEL: "warn",
    ...settings,
  });
  // A machine at work is slow: the test's own time decides, not Bun's.
  const send = (path: string, type: string, body: string): Promise<Response> =>
    fetch(daemon.url + path, {
      method: "POST",
      headers: { "Content-Type": type },
      body,
      timeout: false,
    } as RequestInit);
  const post: EmbedderDaemon["post"] = (path, body) =>
    send(path, "application/json", typeof body === "string" ? body : JSON.stringify({ model: MINILM, ...body }));
  return {
    daemon,
    post,
    async postLines(path, lines) {
      const query = path.includes("?") ? "&" : "?";
      const response = await send(`${path}${query}model=${MINILM}`, "application/x-ndjson", lines);
      return { status: response.status, text: await response.text() };
    },
    async embed(input, more = {}) {
      const response = await post("/api/embed", { input, ...more });
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
      return (await response.json()) as EmbedAnswer;
    },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      models[Symbol.dispose]();
    },
  };
}
