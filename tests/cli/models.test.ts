import { expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Home } from "./command.ts";
import { model, ScriptedServer, telling } from "./scripted-server.ts";

const found = [
  {
    name: "tinyllama:latest",
    repository: "OpenVINO/TinyLlama-1.1B-Chat-v1.0-int4-ov",
    kind: "llm",
    quantization: "INT4",
    downloads: 12_345,
    likes: 9,
    updated: "2026-01-02T03:04:05Z",
    devices: ["GPU", "CPU"],
    pulled: true,
    gated: false,
    remarks: [],
  },
  {
    name: "OpenVINO/DeepSeek-R1-Distill-Qwen-1.5B-int4-cw-ov",
    repository: "OpenVINO/DeepSeek-R1-Distill-Qwen-1.5B-int4-cw-ov",
    kind: "llm",
    quantization: "INT4",
    downloads: 940,
    likes: 0,
    updated: "2026-01-02T03:04:05Z",
    devices: ["NPU", "GPU", "CPU"],
    pulled: false,
    gated: true,
    remarks: ["a draft model: it speeds up another and does not answer by itself, so far as its name tells"],
  },
];
const page = { models: found, total: 57, offset: 0, limit: 2, has_more: true, from: "hub" };

test("search asks for what the flags say and prints a table", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.found = page;
  const flags = ["--kind", "llm", "--quantization", "int4", "--min-downloads", "10", "--author", "OpenVINO"];
  const rest = ["--sort", "newest", "--limit", "2"];
  const { code, stdout, stderr } = await home.run(["search", "qwen", "distill", ...flags, ...rest], {
    env: server.env,
  });
  expect(stdout).toBe(`NAME                                                KIND   WEIGHTS   DOWNLOADS   RUNS ON
tinyllama:latest                                    llm    INT4      12.3k       GPU CPU
  pulled
OpenVINO/DeepSeek-R1-Distill-Qwen-1.5B-int4-cw-ov   llm    INT4      940         NPU GPU CPU
  gated: its terms must be accepted on the hub, and HF_TOKEN set; ${found[1]?.remarks[0]}
`);
  expect(stderr).toBe("2 of 57; the next ones: --offset 2\n");
  expect(code).toBe(0);
  expect(Object.fromEntries(new URLSearchParams(server.asked.at(-1)?.query))).toEqual({
    q: "qwen distill",
    sort: "newest",
    limit: "2",
    offset: "0",
    type: "llm",
    quantization: "int4",
    min_downloads: "10",
    author: "OpenVINO",
  });
});

test("at a terminal of 80 columns a long name has a line of its own, and remarks are broken between words", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.found = page;
  const screen = home.terminal(["search"], server.env, 80);
  expect(await screen.exited()).toBe(0);
  const lines = screen.lines;
  expect(lines[0]).toMatch(/^NAME +KIND {2}WEIGHTS {2}DOWNLOADS {2}RUNS ON$/);
  expect(lines).toContain("OpenVINO/DeepSeek-R1-Distill-Qwen-1.5B-int4-cw-ov");
  const row = lines[lines.indexOf("OpenVINO/DeepSeek-R1-Distill-Qwen-1.5B-int4-cw-ov") + 1] ?? "";
  expect(row.trim().split(/ {2,}/)).toEqual(["llm", "INT4", "940", "NPU GPU CPU"]);
  expect(row.indexOf("llm")).toBe(lines[0]?.indexOf("KIND") ?? -1);
  const start = lines.findIndex((line) => line.startsWith("  gated"));
  const told = lines.slice(start, -2).join(" ").replace(/ +/g, " ").trim();
  expect(told).toBe(`gated: its terms must be accepted on the hub, and HF_TOKEN set; ${found[1]?.remarks[0]}`);
});

test("search says on stderr that the hub did not answer, and that nothing was found", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.found = { models: [], total: 0, offset: 0, limit: 20, has_more: false, from: "catalog", note: "Offline." };
  expect(await home.run(["search", "x"], { env: server.env })).toEqual({
    code: 0,
    stdout: "Nothing was found.\n",
    stderr: "Offline.\n",
  });
  const { stdout } = await home.run(["search", "x", "--json"], { env: server.env });
  expect(JSON.parse(stdout)).toEqual(server.found);
});

test.each([
  [["search", "--kind", "cat"], "Allowed choices are llm, embedding, rerank, vlm, speech."],
  [["search", "--sort", "best"], "Allowed choices are popular, newest, downloads, likes."],
  [["search", "--limit", "0"], "Expected a number from 1 to 100."],
  [["search", "--min-downloads", "-1"], "Expected 0 or more."],
  [["pull"], "missing required argument 'model'"],
  [["rm"], "missing required argument 'models'"],
  [["cp", "demo"], "missing required argument 'name'"],
])("%j is refused with exit code 2", async (args, sentence) => {
  await using home = await Home.create();
  const { code, stdout, stderr } = await home.run(args);
  expect(stderr).toContain(sentence);
  expect(stdout).toBe("");
  expect(code).toBe(2);
});

test("cp names a model once more", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const { code, stdout } = await home.run(["cp", "demo", "mine"], { env: server.env });
  expect(stdout).toBe("Copied demo to mine.\n");
  expect(code).toBe(0);
  const { path, body } = server.asked.at(-1) ?? {};
  expect([path, body]).toEqual(["/api/copy", { source: "demo", destination: "mine" }]);
});

test("rm removes every model that it can, and its exit code tells of the one that it could not", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  expect(await home.run(["rm", "demo", "nope", "demo"], { env: server.env })).toEqual({
    code: 3,
    stdout: "Removed demo.\nRemoved demo.\n",
    stderr: "npu-proxy: model 'nope' not found (model_not_found)\n",
  });
  const asked = server.asked.filter(({ path }) => path === "/api/delete");
  expect(asked.map(({ method, body }) => [method, body["model"]])).toEqual([
    ["DELETE", "demo"],
    ["DELETE", "nope"],
    ["DELETE", "demo"],
  ]);
});

test("create sends the Modelfile, and a folder that FROM names file by file, what the server has excepted", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const folder = join(home.directory, "models", "mine");
  await mkdir(join(folder, "1_Pooling"), { recursive: true });
  await mkdir(join(folder, ".git"));
  const contents = { "openvino_model.xml": "<net/>", "config.json": "{}", "1_Pooling/config.json": "{ }" };
  for (const [name, text] of Object.entries({ ...contents, ".git/config": "hidden", "npu-proxy.json": "{}" }))
    await writeFile(join(folder, name), text);
  const modelfile = 'FROM ./mine\nSYSTEM """Be brief."""\n';
  await writeFile(join(home.directory, "models", "Modelfile"), modelfile);
  const digest = (text: string): string => `sha256:${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;
  server.blobs.set(digest("{}"), Buffer.from("{}"));
  server.progress = telling({ status: "writing manifest" }, { status: "success" });

  const { code, stdout, stderr } = await home.run(["create", "brief", "-f", "models/Modelfile"], { env: server.env });
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout.split("\n").sort()).toEqual(
    [
      "sending 1_Pooling/config.json, 3 B",
      "sending openvino_model.xml, 6 B",
      "writing manifest",
      "brief is made.",
      "",
    ].sort(),
  );
  const files = Object.fromEntries(Object.entries(contents).map(([name, text]) => [name, digest(text)]));
  expect(server.asked.at(-1)?.body).toEqual({ model: "brief", modelfile, files, stream: true });
  expect([...server.blobs].map(([name, bytes]) => [name, Buffer.from(bytes).toString()])).toContainEqual([
    digest("<net/>"),
    "<net/>",
  ]);
});

test("create leaves a model's name in FROM to the server", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const modelfile = "FROM demo\nPARAMETER temperature 0.2\n";
  const { code } = await home.run(["create", "calm", "-f", "-"], { env: server.env, stdin: modelfile });
  expect(code).toBe(0);
  expect(server.asked.at(-1)?.body).toEqual({ model: "calm", modelfile, stream: true });
});

test.each([
  ["FROM ./nothing\n", "there is nothing at"],
  ["SYSTEM hi\n", "FROM"],
  ["FROM demo\nADAPTER ./lora\n", "ADAPTER"],
  ["FROM demo\nFORM demo\n", "FORM"],
])("the Modelfile %j is refused before anything is sent", async (text, sentence) => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const { code, stderr } = await home.run(["create", "x", "-f", "-"], { env: server.env, stdin: text });
  expect(stderr).toContain(sentence);
  expect(code).toBe(2);
  expect(server.asked.filter(({ method }) => method === "POST")).toEqual([]);
});

test("create without a Modelfile says which it looked for", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const { code, stderr } = await home.run(["create", "x"], { env: server.env });
  expect(stderr).toContain("The Modelfile cannot be read: Modelfile.");
  expect(code).toBe(2);
});

test("show tells where a model can run and why not, and where it is from", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.shown = {
    kind: "llm",
    architecture: "LlamaForCausalLM",
    exporter: { openvino: "2026.1.0", optimum: "1.27" },
    details: { ...model.details, quantization_level: "INT4", parent_model: "tinyllama:latest" },
    model_info: {
      "general.architecture": "llama",
      "llama.context_length": 2048,
      "general.quantization.group_size": -1,
      "general.quantization.symmetric": true,
    },
    capabilities: ["completion", "tools"],
    fitness: [
      {
        device: "NPU",
        fits: false,
        reason: "INT4 asymmetric; needs symmetric, group -1 or 128, as the NPU's compiler says",
      },
      { device: "CPU", fits: true, reason: "" },
    ],
    source: { hub: "hub.example", repository: "OpenVINO/x", revision: "main", commit: "0123456789abcdef0123" },
    pulled_at: "2026-01-02T03:04:05Z",
    system: "Be brief.",
    license: "apache-2.0",
  };
  const screen = home.terminal(["show", "demo"], server.env, 80);
  expect(await screen.exited()).toBe(0);
  expect(screen.lines.join("\n")).toBe(`Model
  architecture      llama (LlamaForCausalLM)
  kind              llm
  format            openvino
  parent            tinyllama:latest
  parameters        1.7M
  quantization      INT4, symmetric, channel-wise
  context length    2048
  exported by       openvino 2026.1.0, optimum 1.27

Runs on
  NPU no: INT4 asymmetric; needs symmetric, group -1 or 128, as the NPU's
      compiler says
  CPU yes

Capabilities
  completion
  tools

Parameters
  temperature 0

System
  Be brief.

Source
  hub               hub.example
  repository        OpenVINO/x
  revision          main
  commit            0123456789ab
  pulled            2026-01-02

License
  apache-2.0
`);
});

test("show says of a model that was not pulled that it was not", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.shown = { pulled: false };
  const { stdout } = await home.run(["show", "demo"], { env: server.env });
  expect(stdout).toStartWith("Not pulled; this is what the hub tells. To fetch it: npu-proxy pull demo\n\nModel\n");
});
