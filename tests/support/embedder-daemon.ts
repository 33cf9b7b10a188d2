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
  post(path: string, body: unknown): Promise<Response>;
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
    NPU_PROXY_EMBEDDING_MODEL: MINILM,
    NPU_PROXY_LOG_LEVEL: "warn",
    ...settings,
  });
  const post = (path: string, body: unknown): Promise<Response> =>
    fetch(daemon.url + path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
      // A machine at work is slow: the test's own time decides, not Bun's.
      timeout: false,
    } as RequestInit);
  return {
    daemon,
    post,
    async embed(input, more = {}) {
      const response = await post("/api/embed", { model: MINILM, input, ...more });
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
      return (await response.json()) as EmbedAnswer;
    },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      models[Symbol.dispose]();
    },
  };
}
