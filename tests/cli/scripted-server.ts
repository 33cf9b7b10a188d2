/** Stands in for a running npu-proxy: answers as told, remembers what it was asked. */

export interface Asked {
  readonly path: string;
  readonly body: Record<string, unknown>;
}

type Chat = (body: Record<string, unknown>, signal: AbortSignal) => AsyncIterable<unknown> | Response;

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
export function saying(...pieces: readonly string[]): Chat {
  return async function* () {
    for (const text of pieces) yield piece(text);
    yield finished;
  };
}

export class ScriptedServer implements AsyncDisposable {
  readonly asked: Asked[] = [];
  /** Settles when a client left an answer before its end. */
  readonly left = Promise.withResolvers<void>();
  chat: Chat = saying("Par", "is", ".");
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
    const path = new URL(request.url).pathname;
    const body = (request.method === "POST" ? await request.json() : {}) as Record<string, unknown>;
    this.asked.push({ path, body });
    switch (path) {
      case "/api/version":
        return Response.json({ version: "0.33.0" });
      case "/api/tags":
        return Response.json({ models: [model] });
      case "/api/ps":
        return Response.json({ models: [loaded] });
      case "/health/devices":
        return Response.json({
          available_devices: ["CPU"],
          devices: [{ name: "CPU", full_name: "Some CPU", precisions: ["FP32", "INT8"] }],
        });
      case "/api/show":
        if (body["model"] !== "demo") return Response.json({ error: "model 'nope' not found" }, { status: 404 });
        return Response.json({
          details: model.details,
          model_info: { "general.architecture": "llama", "llama.context_length": 4096 },
          capabilities: ["completion"],
          parameters: "temperature 0",
        });
      case "/api/chat":
        return this.#stream(this.chat(body, request.signal));
      default:
        return new Response("404 page not found", { status: 404 });
    }
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
