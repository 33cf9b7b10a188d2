import { expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { IDLE, startScripted } from "../support/scripted-runtime.ts";
import { Home } from "./command.ts";
import { loaded, model, ScriptedServer } from "./scripted-server.ts";

test("list and ls print what is on disk as an aligned table", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const { code, stdout, stderr } = await home.run(["list"], { env: server.env });
  expect(stdout).toMatch(
    /^NAME {10}ID {13}SIZE {5}MODIFIED\ndemo:latest {3}0123456789ab {3}3\.4 MB {3}\d+ years ago\n$/,
  );
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect((await home.run(["ls"], { env: server.env })).stdout).toBe(stdout);
});

test("ps prints what is loaded and where", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const { stdout } = await home.run(["ps"], { env: server.env });
  const [header, row] = stdout.split("\n");
  expect(header?.split(/ {3,}/)).toEqual(["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"]);
  expect(row?.split(/ {3,}/)).toEqual([
    "demo:latest",
    "0123456789ab",
    "3.4 MB",
    "NPU (emulated on CPU)",
    "4096",
    "forever",
  ]);
});

test("ps tells until when each model stays", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  // Half a minute more, so that a slow machine still reads the same minute.
  const soon = new Date(Date.now() + 4.5 * 60_000).toISOString();
  server.loaded = [
    { ...loaded, expires_at: soon, phase: "ready", running: 0, waiting: 0 },
    { ...loaded, phase: "ready", running: 1, waiting: 0 },
    { ...loaded, phase: "ready", running: 0, waiting: 1 },
    { ...loaded, expires_at: soon, phase: "draining", running: 1, waiting: 0 },
  ];
  const { stdout } = await home.run(["ps"], { env: server.env });
  const rows = stdout.trimEnd().split("\n").slice(1);
  expect(rows.map((row) => row.split(/ {3,}/).at(-1))).toEqual(["4 minutes from now", "in use", "in use", "stopping"]);
});

test("stop asks the server to unload, in Ollama's words", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  expect(await home.run(["stop", "demo"], { env: server.env })).toEqual({
    code: 0,
    stdout: "Unloading demo: requests that run or wait are answered first.\n",
    stderr: "",
  });
  expect(server.asked.at(-1)).toMatchObject({ path: "/api/generate", body: { model: "demo", keep_alive: "0s" } });
  expect(await home.run(["stop", "nope"], { env: server.env })).toEqual({
    code: 3,
    stdout: "",
    stderr: "npu-proxy: model 'nope' not found (model_not_found)\n",
  });
});

test("stop without a server says so and is no failure", async () => {
  await using home = await Home.create();
  expect(await home.run(["stop", "demo"], { env: { NPU_PROXY_PORT: String(freePort()) } })).toEqual({
    code: 0,
    stdout: "No server runs, so nothing is loaded.\n",
    stderr: "",
  });
});

test("devices prints their names and what they can do", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const { stdout } = await home.run(["devices"], { env: server.env });
  const rows = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {3,}/));
  expect(rows).toEqual([
    ["NAME", "FULL NAME", "DRIVER", "ARCHITECTURE", "PRECISIONS"],
    ["CPU", "Some CPU", "-", "-", "FP32 INT8"],
  ]);
});

test("show prints what an embedder is, and how often its cache helped", async () => {
  await using home = await Home.create();
  await using server = await startScripted();
  const env = { NPU_PROXY_PORT: String(server.port) };
  const { stdout: before } = await home.run(["show", "minilm"], { env });
  expect(before).toMatch(/^ {2}max length +256$/m);
  expect(before).toMatch(/^ {2}dimensions +4$/m);
  expect(before).toMatch(/^ {2}pooling +mean$/m);
  expect(before).toMatch(/^Instructions\n {2}query +"query: "\n {2}document +"passage: "$/m);
  expect(before).not.toContain("Cache");
  server.runtime.now = { ...IDLE, embeddingCache: { entries: 3, bytes: 4608, hits: 7, misses: 3 } };
  const { stdout } = await home.run(["show", "minilm"], { env });
  expect(stdout).toMatch(/^Cache of embeddings\n {2}entries +3 \(4.6 kB\)\n {2}hits +7 of 10$/m);
  expect((await home.run(["show", "demo"], { env })).stdout).not.toContain("Cache");
});

test("show prints what a model is", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const { stdout } = await home.run(["show", "demo"], { env: server.env });
  expect(stdout).toBe(`Model
  architecture      llama
  format            openvino
  parameters        1.7M
  quantization      INT8
  context length    4096

Capabilities
  completion

Parameters
  temperature 0
`);
});

test("--json prints the server's own answer", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const json = async (...args: string[]): Promise<unknown> => {
    return JSON.parse((await home.run([...args, "--json"], { env: server.env })).stdout);
  };
  expect(await json("list")).toEqual({ models: [model] });
  expect(await json("ps")).toEqual({ models: [loaded] });
  const devices = [{ name: "CPU", full_name: "Some CPU", precisions: ["FP32", "INT8"] }];
  expect(await json("devices")).toEqual({ available_devices: ["CPU"], devices });
  expect(Object.keys((await json("show", "demo")) as object).sort()).toEqual([
    "capabilities",
    "details",
    "model_info",
    "parameters",
  ]);
});

test("list tells on stderr of models that cannot be read", async () => {
  await using home = await Home.create();
  await mkdir(join(home.directory, ".cache", "npu-proxy", "models", "broken"), { recursive: true });
  await writeFile(join(home.directory, ".cache", "npu-proxy", "models", "broken", "openvino_model.xml"), "<net/>");
  const env = { NPU_PROXY_PORT: "0", NPU_PROXY_SYSTEM_MODEL_PATH: join(home.directory, "none") };
  const { code, stdout, stderr } = await home.run(["list"], { env });
  expect(stdout).toMatch(/^NAME .*\ndemo:latest .*\n$/);
  expect(stderr).toBe("damaged: broken:latest: it has no config.json. Remove it and fetch it again.\n");
  expect(code).toBe(0);
});

test("a broken catalog.json stops no listing", async () => {
  await using home = await Home.create();
  await mkdir(join(home.directory, ".config", "npu-proxy"), { recursive: true });
  await writeFile(join(home.directory, ".config", "npu-proxy", "catalog.json"), "{");
  const env = {
    NPU_PROXY_PORT: "0",
    NPU_PROXY_RUNTIME_DIR: process.env["NPU_PROXY_RUNTIME_DIR"] ?? "",
    NPU_PROXY_SYSTEM_MODEL_PATH: join(home.directory, "none"),
  };
  expect((await home.run(["list"], { env })).stdout).toContain("demo:latest");
  expect((await home.run(["ps"], { env })).code).toBe(0);
  expect((await home.run(["devices"], { env })).stdout).toMatch(/^CPU /m);
  const { code, stderr } = await home.run(["search", "tinyllama"], { env });
  expect(stderr).toContain("catalog.json in the config folder: it is no JSON. Correct it or remove it.");
  expect(code).toBe(2);
});

test("an unknown model is exit code 3, with the server's sentence on stderr", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  expect(await home.run(["show", "nope"], { env: server.env })).toEqual({
    code: 3,
    stdout: "",
    stderr: "npu-proxy: model 'nope' not found (model_not_found)\n",
  });
});

test("a proxy in the environment is never asked for loopback", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const asked: string[] = [];
  const proxy = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      asked.push(request.url);
      return new Response("from the proxy", { status: 502 });
    },
  });
  try {
    const url = `http://127.0.0.1:${proxy.port}`;
    const env = { ...server.env, HTTP_PROXY: url, http_proxy: url, ALL_PROXY: url, no_proxy: "elsewhere.example" };
    const { code, stdout } = await home.run(["list"], { env });
    expect(stdout).toContain("demo:latest");
    expect((await home.run(["run", "demo", "hi"], { env })).stdout).toBe("Paris.\n");
    expect(code).toBe(0);
    expect(asked).toEqual([]);

    // The proxy works: the same request through plain fetch does reach it.
    const plain = `await fetch("http://127.0.0.1:${server.port}/api/version")`;
    await Bun.spawn([process.execPath, "-e", plain], { env: home.environment(env) }).exited;
    expect(asked).toEqual([`http://127.0.0.1:${server.port}/api/version`]);
  } finally {
    await proxy.stop(true);
  }
});

test("ps without a server says so and is no failure", async () => {
  await using home = await Home.create();
  const env = { NPU_PROXY_PORT: String(freePort()) };
  expect(await home.run(["ps"], { env })).toEqual({
    code: 0,
    stdout: "No server runs. Start one with: npu-proxy serve\n",
    stderr: "",
  });
  expect(JSON.parse((await home.run(["ps", "--json"], { env })).stdout)).toEqual({ models: [] });
});

test("something else at the port is told apart from a server", async () => {
  await using home = await Home.create();
  const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("<html>") });
  try {
    const { code, stderr } = await home.run(["list"], { env: { NPU_PROXY_PORT: String(other.port) } });
    expect(stderr).toContain("is no npu-proxy");
    expect(code).toBe(1);
  } finally {
    await other.stop(true);
  }
});

test("who stops reading a listing is no failure", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const child = home.start(["list"], server.env);
  await child.stdout.cancel();
  expect(await child.exited).toBe(0);
  expect(await new Response(child.stderr).text()).toBe("");
});

/** A port that was free a moment ago. */
function freePort(): number {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const port = server.port ?? 0;
  void server.stop(true);
  return port;
}
