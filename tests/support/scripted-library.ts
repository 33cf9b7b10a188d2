import { ProxyError } from "../../src/core/errors.ts";
import type {
  CatalogEntry,
  CreateRequest,
  ModelLibrary,
  PullEvent,
  PullRequest,
  RemoteModel,
  SearchPage,
  SearchQuery,
} from "../../src/core/library.ts";

export const DIGEST = "c0".repeat(32);

export const PULLED: readonly PullEvent[] = [
  { type: "resolving" },
  { type: "chosen", name: "tiny:latest", repository: "test/tiny-int4-cw-ov", reason: "channel-wise for the NPU" },
  { type: "file", file: "openvino_model.bin", digest: DIGEST, total: 1000, completed: 0 },
  { type: "retry", file: "openvino_model.bin", reason: "the connection was cut", seconds: 0.5 },
  { type: "file", file: "openvino_model.bin", digest: DIGEST, total: 1000, completed: 1000 },
  { type: "verifying" },
  { type: "converting", line: "3 of 6 layers" },
  { type: "writing" },
  { type: "inspecting" },
  { type: "done", model: "tiny:latest", notes: ["NPU: yes"], unchanged: false },
];

export const ENTRY: CatalogEntry = {
  name: "tiny:latest",
  aliases: ["tiny:int4-cw"],
  family: "llama",
  kind: "llm",
  parameterSize: "1.1B",
  quantization: "INT4 channel-wise",
  repository: "test/tiny-int4-cw-ov",
  devices: ["NPU", "CPU"],
  license: "apache-2.0",
  contextLength: 2048,
};

/** A library that does what a test wrote for it and keeps what it was asked. */
export class ScriptedLibrary implements ModelLibrary {
  readonly pulls: PullRequest[] = [];
  readonly creations: CreateRequest[] = [];
  readonly searches: SearchQuery[] = [];
  readonly copies: string[] = [];
  readonly removed: string[] = [];
  readonly blobs = new Map<string, string>();
  readonly #left = Promise.withResolvers<void>();
  events: readonly PullEvent[] = PULLED;
  /** Thrown by what was asked; by a pull or create after its events. */
  refusal: unknown;
  /** A pull waits after its events until its signal aborts. */
  endless = false;
  remote: RemoteModel | undefined;
  page: SearchPage = { results: [], total: 0, hasMore: false, from: "hub" };

  /** Resolves when the reader of an endless pull left. */
  get left(): Promise<void> {
    return this.#left.promise;
  }

  async *pull(request: PullRequest, signal: AbortSignal): AsyncGenerator<PullEvent, void> {
    this.pulls.push(request);
    yield* this.endless ? this.events.slice(0, -1) : this.events;
    if (this.endless) {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      this.#left.resolve();
      signal.throwIfAborted();
    }
    this.#refuse();
  }

  async *create(request: CreateRequest): AsyncGenerator<{ readonly status: string }, void> {
    this.creations.push(request);
    this.#refuse();
    yield { status: "writing manifest" };
    yield { status: "success" };
  }

  async search(query: SearchQuery): Promise<SearchPage> {
    this.searches.push(query);
    return this.page;
  }

  known(): readonly CatalogEntry[] {
    return [ENTRY];
  }

  async describe(name: string): Promise<RemoteModel> {
    if (this.remote) return this.remote;
    throw new ProxyError("model_not_found", `model '${name}' not found; did you mean tiny?`);
  }

  async copy(source: string, destination: string): Promise<void> {
    this.#refuse();
    this.copies.push(`${source} -> ${destination}`);
  }

  async remove(name: string): Promise<void> {
    this.#refuse();
    this.removed.push(name);
  }

  async hasBlob(digest: string): Promise<boolean> {
    return this.blobs.has(digest);
  }

  async writeBlob(digest: string, content: ReadableStream<Uint8Array>): Promise<void> {
    const hash = new Bun.CryptoHasher("sha256");
    let text = "";
    for await (const chunk of content) {
      hash.update(chunk);
      text += new TextDecoder().decode(chunk);
    }
    if (digest !== `sha256:${hash.digest("hex")}`)
      throw new ProxyError("invalid_request", "The blob's content has another digest.");
    this.blobs.set(digest, text);
  }

  import(): Promise<string> {
    throw new Error("no route asks for this");
  }

  // biome-ignore lint/correctness/useYield: no route asks for this
  async *verify(): AsyncGenerator<never, void> {
    throw new Error("no route asks for this");
  }

  prune(): Promise<never> {
    throw new Error("no route asks for this");
  }

  rollback(): Promise<never> {
    throw new Error("no route asks for this");
  }

  #refuse(): void {
    if (this.refusal !== undefined) throw this.refusal;
  }
}
