import { expect, test } from "bun:test";
import { ProxyError } from "../../src/core/errors.ts";
import { EMBEDDER, RANKER } from "../support/scripted-embeddings.ts";
import { CPU, IDLE, NPU, PLACED, startScripted } from "../support/scripted-runtime.ts";

test("GET and HEAD / are Ollama's heartbeat", async () => {
  await using server = await startScripted({ ollamaVersion: "0.99.0" });
  expect(await (await fetch(server.url)).text()).toBe("Ollama is running");
  const head = await fetch(server.url, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
  expect((await (await fetch(`${server.url}/api/version`)).json()) as unknown).toEqual({ version: "0.99.0" });
});

test("/health tells the daemon, its devices and what is loaded, and no local path", async () => {
  await using server = await startScripted();
  server.runtime.loaded = [{ ...PLACED, running: 1, waiting: 2 }];
  server.runtime.now = {
    ...IDLE,
    waiting: 3,
    running: 1,
    pressure: "tight",
    warmUps: [
      { model: "demo", device: "NPU", state: "ready", ms: 1500 },
      { model: "nope", device: "", state: "failed", reason: "model 'nope' not found" },
    ],
    warmUpFailures: 1,
    openCircuits: [{ model: "demo:latest", device: "NPU", until: new Date("2026-05-05T05:00:00Z") }],
  };
  const text = await (await fetch(`${server.url}/health`)).text();
  expect(text).not.toContain("/secret");
  expect(JSON.parse(text)).toEqual({
    status: "healthy",
    version: "9.8.7",
    devices: ["NPU (emulated on CPU)", "CPU"],
    npu_available: true,
    gpu_available: false,
    cpu_available: true,
    engines: {
      llm: { status: "loaded", models: ["demo:latest"] },
      embedding: {
        status: "idle",
        models: [],
        model: null,
        device: null,
        dimensions: null,
        max_length: null,
        pooling: null,
        cache: null,
      },
      rerank: { status: "idle", models: [] },
    },
    models: [
      {
        name: "demo:latest",
        device: "NPU (emulated on CPU)",
        phase: "ready",
        context_length: 1151,
        memory_bytes: 5000,
        running: 1,
        waiting: 2,
        parallel: 1,
        pinned: false,
      },
    ],
    queue: { waiting: 3, running: 1, max: 512 },
    memory: { available: 6e9, total: 8e9, pressure: "tight" },
    warmup: {
      models: [
        { model: "demo", device: "NPU", state: "ready", reason: null, ms: 1500 },
        { model: "nope", device: "", state: "failed", reason: "model 'nope' not found", ms: null },
      ],
      failures: 1,
    },
    circuits: [{ model: "demo:latest", device: "NPU", until: "2026-05-05T05:00:00.000Z" }],
  });
});

test.each([
  [[], { status: "idle", models: [] }],
  [["loading"], { status: "loading", models: [] }],
  [["wanted"], { status: "loading", models: [] }],
  [["unloading"], { status: "idle", models: [] }],
  [["loading", "ready", "draining"], { status: "loaded", models: ["demo:latest"] }],
] as const)("/health says of placements that are %j: %j", async (phases, llm) => {
  await using server = await startScripted();
  server.runtime.loaded = phases.map((phase) => ({ ...PLACED, phase }));
  expect((await (await fetch(`${server.url}/health`)).json()) as unknown).toMatchObject({ engines: { llm } });
});

test("/health tells of a loaded embedder and of the cache; a language model's engine is another", async () => {
  await using server = await startScripted();
  const placed = { ...PLACED, model: EMBEDDER, device: CPU, contextLength: 256 };
  server.runtime.loaded = [placed, { ...placed, model: RANKER, phase: "loading" }];
  const cache = { entries: 3, bytes: 4608, hits: 7, misses: 3 };
  server.runtime.now = { ...IDLE, embeddingCache: cache };
  const { engines } = (await (await fetch(`${server.url}/health`)).json()) as { engines: unknown };
  expect(engines).toEqual({
    llm: { status: "idle", models: [] },
    embedding: {
      status: "loaded",
      models: ["minilm:latest"],
      model: "minilm:latest",
      device: "CPU",
      dimensions: 4,
      max_length: 256,
      pooling: "mean",
      cache,
    },
    rerank: { status: "loading", models: [] },
  });
});

test.each(["/health/live", "/health/liveness"])("%s answers whatever the devices do", async (path) => {
  await using server = await startScripted();
  const response = await fetch(server.url + path);
  expect([response.status, await response.json()]).toEqual([200, { status: "alive", alive: true, version: "9.8.7" }]);
  expect(server.runtime.probes).toEqual([]);
});

test.each(["/health/ready", "/health/readiness"])(
  "%s is 503 with the reasons until it is, and probes nothing",
  async (path) => {
    await using server = await startScripted();
    server.runtime.now = { ...IDLE, notReady: ["warming up demo"], fallbackChain: [] };
    const waiting = await fetch(server.url + path);
    expect([waiting.status, await waiting.json()]).toEqual([
      503,
      { status: "not_ready", ready: false, reasons: ["warming up demo"], devices: [], version: "9.8.7" },
    ]);
    server.runtime.now = IDLE;
    const ready = await fetch(server.url + path);
    expect([ready.status, await ready.json()]).toEqual([
      200,
      { status: "ready", ready: true, reasons: [], devices: ["NPU", "CPU"], version: "9.8.7" },
    ]);
    expect(server.runtime.probes).toEqual([]);
  },
);

test("a daemon that cannot tell its devices is healthy and says so", async () => {
  await using server = await startScripted();
  server.runtime.deviceFailure = new Error("/secret/driver.so");
  const text = await (await fetch(`${server.url}/health`)).text();
  expect(JSON.parse(text)).toMatchObject({ status: "healthy", devices: [], device_probe_error: expect.any(String) });
  expect(text).not.toContain("/secret");
});

test("/health/devices lists them in detail", async () => {
  await using server = await startScripted();
  server.runtime.found = [
    NPU,
    {
      ...CPU,
      architecture: "x",
      generation: "Lunar Lake",
      driver: "1.2",
      firmware: "3",
      memoryBytes: 7e9,
      precisions: ["FP32"],
      temperature: 51.5,
      power: 9.25,
    },
  ];
  server.runtime.loaded = [
    { ...PLACED, phase: "draining" },
    { ...PLACED, device: CPU },
  ];
  const body = (await (await fetch(`${server.url}/health/devices`)).json()) as unknown;
  expect(body).toEqual({
    available_devices: ["NPU", "CPU"],
    active_device: "CPU",
    fallback_chain: ["NPU", "CPU"],
    devices: [
      { name: "NPU", label: "NPU (emulated on CPU)", full_name: "Intel(R) AI Boost", emulated: true },
      {
        name: "CPU",
        label: "CPU",
        full_name: "A processor",
        emulated: false,
        architecture: "x",
        generation: "Lunar Lake",
        driver: "1.2",
        firmware: "3",
        memory_bytes: 7e9,
        precisions: ["FP32"],
        temperature: 51.5,
        power: 9.25,
      },
    ],
  });
});

test("/health/devices asks the drivers again only when it is told to, and says what went wrong", async () => {
  await using server = await startScripted();
  for (const query of ["", "?refresh=1", "?refresh=0"]) await fetch(`${server.url}/health/devices${query}`);
  expect(server.runtime.probes).toEqual([false, true, false]);
  server.runtime.deviceFailure = new ProxyError("device_error", "The probe crashed.");
  expect((await (await fetch(`${server.url}/health/devices`)).json()) as unknown).toEqual({
    available_devices: [],
    active_device: null,
    fallback_chain: ["NPU", "CPU"],
    devices: [],
    device_probe_error: "The probe crashed.",
  });
});

test.each([
  "/",
  "/health",
  "/health/live",
  "/health/ready",
  "/health/devices",
  "/api/tags",
  "/api/ps",
  "/api/version",
  "/v1/models",
  "/v1/models/demo",
])("HEAD works where GET does: %s", async (path) => {
  await using server = await startScripted();
  expect((await fetch(server.url + path, { method: "HEAD" })).status).toBe(200);
});

test.each([
  ["DELETE", "/api/chat", "POST"],
  ["GET", "/api/generate", "POST"],
  ["GET", "/api/route", "POST"],
  ["HEAD", "/api/show", "POST"],
  ["OPTIONS", "/v1/chat/completions", "POST"],
  ["POST", "/api/tags", "GET, HEAD"],
  ["PUT", "/v1/models/demo", "GET, HEAD"],
  ["POST", "/", "GET, HEAD"],
])("%s %s gets 405 and Allow: %s", async (method, path, allow) => {
  await using server = await startScripted();
  const response = await fetch(server.url + path, { method });
  expect([response.status, response.headers.get("allow")]).toEqual([405, allow]);
  expect(response.headers.get("x-request-id")).toMatch(/^req_[0-9a-f]{24}$/);
});

test("unknown addresses get each API's own 404", async () => {
  await using server = await startScripted();
  const plain = await fetch(`${server.url}/api/%2e%2e%2fetc`);
  expect([plain.status, await plain.text()]).toEqual([404, "404 page not found"]);
  const openai = await fetch(`${server.url}/v1/nothing`);
  expect(openai.status).toBe(404);
  for (const answer of [plain, openai]) expect(answer.headers.get("x-npu-proxy-error")).toBe("route_not_found");
  expect((await openai.json()) as unknown).toMatchObject({ error: { code: "route_not_found", param: null } });
});

test("a well-formed X-Request-ID comes back, anything else is replaced", async () => {
  await using server = await startScripted();
  const idOf = async (given: string) => {
    const response = await server.post("/api/chat", "{}", { headers: { "X-Request-ID": given } });
    return response.headers.get("x-request-id");
  };
  expect(await idOf("client-1.2_3")).toBe("client-1.2_3");
  expect(await idOf("has spaces and <tags>")).toMatch(/^req_[0-9a-f]{24}$/);
  expect(await idOf("x".repeat(129))).toMatch(/^req_[0-9a-f]{24}$/);
  const asked = await server.post(
    "/v1/chat/completions",
    { model: "demo", messages: [{ role: "user", content: "x" }] },
    { headers: { "X-Request-ID": "mine" } },
  );
  expect(asked.headers.get("x-request-id")).toBe("mine");
  expect(server.runtime.last.request.id).toBe("mine");
});

test("one log line tells of a request, and none of its words", async () => {
  await using server = await startScripted();
  await (await server.post("/api/generate", { model: "demo", prompt: "TOPSECRET" })).text();
  const fields = await server.observer.request();
  expect(fields).toEqual({
    id: expect.stringMatching(/^req_/),
    api: "/api/generate",
    model: "demo:latest",
    device: "NPU",
    reason: "within_npu_limit",
    promptTokens: 7,
    completionTokens: 3,
    ttftMs: expect.any(Number),
    durationMs: expect.any(Number),
    handledMs: expect.any(Number),
    status: 200,
    error: undefined,
  });
  expect(server.observer.entries).toHaveLength(1);
  await server.post("/api/generate", { model: "nope", prompt: "TOPSECRET" });
  expect(await server.observer.request(2)).toMatchObject({ model: "nope", status: 404, error: "model_not_found" });
  expect(JSON.stringify(server.observer.entries)).not.toMatch(/TOPSECRET|Hello/);
});

test("the app answers without a socket", async () => {
  await using server = await startScripted();
  const request = new Request("http://localhost/api/chat", {
    method: "POST",
    body: JSON.stringify({ model: "demo", messages: [{ role: "user", content: "x" }] }),
  });
  const response = await server.app.fetch(request);
  expect((await response.text()).trimEnd().split("\n")).toHaveLength(3);
  const leaving = await server.app.fetch(
    new Request("http://localhost/api/generate", { method: "POST", body: '{"model":"demo","prompt":"x"}' }),
  );
  await leaving.body?.cancel();
  expect(await server.observer.request(2)).toMatchObject({ status: 499 });
});
