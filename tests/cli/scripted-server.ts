/** Stands in for a running npu-proxy: answers as told, remembers what it was asked. */

export interface Asked {
  /** "POST", and "HEAD" or "DELETE" where a command sends these. */
  readonly method: string;
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  readonly body: Record<string, unknown>;
}

type Script = (body: Record<string, unknown>, signal: AbortSignal) => AsyncIterable<unknown> | Response;

export const model = {
  name: "demo:latest",
  model: "demo:latest",
  digest: "0123456789abcdef".repeat(4),
  size: 3_400_000,
  modified_at: "2020-01-02T03:04:05Z",
  details: { format: "openvino", family: "llama", parameter_size: "1.7M", quantization_level: "INT8" },
};

export const loaded = {
  ...model,
  size_vram: 0,
  context_length: 4096,
  processor: "NPU (emulated on CPU)",
  expires_at: "2999-01-01T00:00:00Z",
};

export const finished = {
  model: "demo",
  message: { role: "assistant", content: "" },
  done: true,
  done_reason: "stop",
  total_duration: 2e9,
  load_duration: 0,
  prompt_eval_count: 5,
  prompt_eval_duration: 5e7,
  eval_count: 10,
  eval_duration: 1e9,
};

export function piece(content: string): unknown {
  return { model: "demo", message: { role: "assistant", content }, done: false };
}

/** An answer of these pieces. */
export function saying(...pieces: readonly string[]): Script {
  return async function* () {
    for (const text of pieces) yield piece(text);
    yield finished;
  };
}

/** Progress of these lines. */
export function telling(...lines: readonly unknown[]): Script {
  return async function* () {
    yield* lines;
  };
}

export class ScriptedServer implements AsyncDisposable {
  readonly asked: Asked[] = [];
  /** Settles when a client left an answer before its end. */
  readonly left = Promise.withResolvers<void>();
  chat: Script = saying("Par", "is", ".");
  devices: readonly unknown[] = [{ name: "CPU", full_name: "Some CPU", precisions: ["FP32", "INT8"] }];
  /** What pull and create tell. */
  progress: Script = telling({ status: "success" });
  /** What search finds. */
  found: unknown = { models: [], total: 0, offset: 0, limit: 20, has_more: false, from: "hub" };
  /** What ps lists. */
  loaded: readonly unknown[] = [loaded];
  /** Fields of show beside those of a model without anything special. */
  shown: Record<string, unknown> = {};
  /** Uploaded blobs by digest. */
  readonly blobs = new Map<string, Uint8Array>();
  readonly #server: Bun.Server<undefined>;

  constructor() {
    this.#server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      idleTimeout: 0,
      fetch: (request) => this.#answer(request),
    });
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  /** The settings that lead a command here. */
  get env(): Record<string, string> {
    return { NPU_PROXY_PORT: String(this.port) };
  }

  /** The messages of the last chat. */
  get messages(): unknown {
    return this.asked.findLast(({ path }) => path === "/api/chat")?.body["messages"];
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname: path, search } = new URL(request.url);
    const { method } = request;
    if (path.startsWith("/api/blobs/")) return this.#blob(request, path.slice("/api/blobs/".length));
    const body = (["POST", "DELETE"].includes(method) ? await request.json() : {}) as Record<string, unknown>;
    this.asked.push({ method, path, query: search.slice(1), body });
    switch (path) {
      case "/api/version":
        return Response.json({ version: "0.33.0" });
      case "/api/tags":
        return Response.json({ models: [model] });
      case "/api/ps":
        return Response.json({ models: this.loaded });
      case "/api/generate":
        if (body["model"] !== "demo") return Response.json({ error: "model 'nope' not found" }, { status: 404 });
        return Response.json({ model: "demo", response: "", done: true, done_reason: "unload" });
      case "/health/devices":
        return Response.json({
          available_devices: ["CPU"],
          devices: this.devices,
        });
      case "/api/show":
        if (body["model"] !== "demo") return Response.json({ error: "model 'nope' not found" }, { status: 404 });
        return Response.json({
          details: model.details,
          model_info: { "general.architecture": "llama", "llama.context_length": 4096 },
          capabilities: ["completion"],
          parameters: "temperature 0",
          ...this.shown,
        });
      case "/api/pull":
      case "/api/create":
        return this.#stream(this.progress(body, request.signal));
      case "/api/search":
        return Response.json(this.found);
      case "/api/copy":
        return new Response();
      case "/api/delete":
        if (body["model"] === "demo") return new Response();
        return Response.json({ error: `model '${body["model"]}' not found` }, { status: 404 });
      case "/api/chat":
        return this.#stream(this.chat(body, request.signal));
      default:
        return new Response("404 page not found", { status: 404 });
    }
  }

  async #blob(request: Request, digest: string): Promise<Response> {
    this.asked.push({ method: request.method, path: "/api/blobs", query: "", body: { digest } });
    if (request.method === "HEAD") return new Response(null, { status: this.blobs.has(digest) ? 200 : 404 });
    this.blobs.set(digest, await request.bytes());
    return new Response(null, { status: 201 });
  }

  #stream(lines: AsyncIterable<unknown> | Response): Response {
    if (lines instanceof Response) return lines;
    const iterator = lines[Symbol.asyncIterator]();
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
      },
      cancel: () => this.left.resolve(),
    });
    return new Response(body, { headers: { "Content-Type": "application/x-ndjson", "X-NPU-Proxy-Device": "CPU" } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }
}
