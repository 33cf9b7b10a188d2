/** The runner's side of an embedder or a reranker: messages in, vectors and scores out. */
import { asProxyError, ProxyError } from "../core/errors.ts";
import type { EngineStats } from "../core/request.ts";
import type { FromRunner, ToRunner } from "../core/runner-protocol.ts";
import type { Addon } from "../native/contract.ts";
import { LoadedEncoder } from "../native/loaded-encoder.ts";

type Message<Op extends ToRunner["op"]> = Extract<ToRunner, { readonly op: Op }>;

export interface EncoderRunnerOptions {
  readonly addon: Addon;
  readonly send: (message: FromRunner) => void;
  /** Ends the whole runner. */
  readonly end: (error: unknown) => void;
}

export class EncoderRunner {
  readonly #options: EncoderRunnerOptions;
  #encoder: LoadedEncoder | undefined;

  constructor(options: EncoderRunnerOptions) {
    this.#options = options;
  }

  async load({ options }: Message<"load_encoder">): Promise<void> {
    const { addon, send, end } = this.#options;
    try {
      this.#encoder = await LoadedEncoder.load(addon, options, end);
      send({ ev: "ready", info: this.#encoder.info });
    } catch (error) {
      end(error);
    }
  }

  async embed({ id, inputs, ...how }: Message<"embed">): Promise<void> {
    await this.#answer(id, async (encoder) => {
      const { vectors, ...rest } = await encoder.embed(id, inputs, how);
      return { ev: "embedded", id, vectors: new Uint8Array(vectors.buffer).toBase64(), ...rest };
    });
  }

  async rerank({ id, query, documents, lane }: Message<"rerank">): Promise<void> {
    await this.#answer(id, async (encoder) => ({
      ev: "reranked",
      id,
      ...(await encoder.rerank(id, query, documents, { lane })),
    }));
  }

  /** Whatever has not begun of it is dropped, and `cancelled` said. */
  cancel(id: number): void {
    if (!this.#encoder) return;
    this.#encoder.cancel(id);
    this.#options.send({ ev: "cancelled", id });
  }

  stats(): EngineStats | undefined {
    return this.#encoder?.stats();
  }

  async #answer(id: number, work: (encoder: LoadedEncoder) => Promise<FromRunner>): Promise<void> {
    const { send } = this.#options;
    try {
      if (!this.#encoder) throw new ProxyError("internal_error", "The runner was asked before its model was loaded.");
      send(await work(this.#encoder));
    } catch (thrown) {
      const { code, message, param, detail } = asProxyError(thrown);
      if (code === "client_closed") return; // cancelled: that was said
      const more = { ...(param !== undefined && { param }), ...(detail !== undefined && { detail }) };
      send({ ev: "error", id, code, message, ...more });
    }
  }
}
