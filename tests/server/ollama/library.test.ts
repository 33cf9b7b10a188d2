import { expect, test } from "bun:test";
import { ProxyError } from "../../../src/core/errors.ts";
import { DIGEST, ENTRY } from "../../support/scripted-library.ts";
import { startScripted } from "../../support/scripted-runtime.ts";

const linesOf = async (response: Response) =>
  (await response.text()).split("\n").map((text) => (text === "" ? "" : (JSON.parse(text) as Record<string, unknown>)));
const answerOf = async (response: Response) => [response.status, await response.json()] as const;

test("create hands on what Ollama's clients send", async () => {
  await using server = await startScripted();
  const body = {
    model: "mario",
    from: "tiny",
    system: "You are Mario.",
    template: "",
    license: "MIT",
    parameters: { temperature: 0.2, stop: ["x"] },
    messages: [{ role: "user", content: "Hi", images: null }],
    quantize: "",
    adapters: null,
  };
  expect(await linesOf(await server.post("/api/create", body))).toEqual([
    { status: "writing manifest" },
    { status: "success" },
    "",
  ]);
  const files = { "model.gguf": `sha256:${DIGEST}` };
  expect(await answerOf(await server.post("/api/create", { name: "g", files, stream: false }))).toEqual([
    200,
    { status: "success" },
  ]);
  expect(server.runtime.library.creations).toEqual([
    {
      name: "mario",
      allowFolder: false,
      from: "tiny",
      system: "You are Mario.",
      license: ["MIT"],
      parameters: { temperature: 0.2, stop: ["x"] },
      messages: [{ role: "user", content: "Hi" }],
    },
    { name: "g", allowFolder: false, files },
  ]);
});

test("a folder may be named where the server says so, and a Modelfile comes as text", async () => {
  await using server = await startScripted({ allowFolder: true });
  await (await server.post("/api/create", { model: "m", modelfile: "FROM tiny" })).text();
  expect(server.runtime.library.creations).toEqual([{ name: "m", allowFolder: true, modelfile: "FROM tiny" }]);
});

test.each([
  [{ from: "tiny" }, "model is required"],
  [{ model: "m" }, "neither 'from' or 'files' was specified"],
  [{ model: "m", from: "tiny", adapters: { "a.gguf": `sha256:${DIGEST}` } }, /^ADAPTER: .*not supported/],
  [{ model: "m", from: "tiny", quantize: "q4_K_M" }, /^"quantize" is not supported/],
  [{ model: "m", files: { "../x": "sha256:../../etc" } }, /^files must be an object of file names/],
  [{ model: "m", files: ["x"] }, /^files must be/],
  [{ model: "m", from: "tiny", parameters: { stop: [1] } }, /^parameters must be/],
  [{ model: "m", from: "tiny", messages: [{ role: "robot", content: "" }] }, /^messages\[0\]\.role must be one of/],
])("create of %j is refused", async (body, error) => {
  await using server = await startScripted();
  const [status, answer] = await answerOf(await server.post("/api/create", body));
  expect(status).toBe(400);
  expect(answer).toEqual({ error: typeof error === "string" ? error : expect.stringMatching(error) });
  expect(server.runtime.library.creations).toEqual([]);
});

test("copy and delete answer with nothing, and a missing model with not found", async () => {
  await using server = await startScripted();
  const remove = (body: unknown) =>
    fetch(`${server.url}/api/delete`, { method: "DELETE", body: JSON.stringify(body), headers: JSON_TYPE });
  const copied = await server.post("/api/copy", { source: "a", destination: "b" });
  const deleted = await remove({ name: "a" });
  expect([copied.status, await copied.text(), deleted.status, await deleted.text()]).toEqual([200, "", 200, ""]);
  expect([server.runtime.library.copies, server.runtime.library.removed]).toEqual([["a -> b"], ["a"]]);
  server.runtime.library.refusal = new ProxyError("model_not_found", "There is none.");
  const missing = [404, { error: "model 'a' not found: There is none." }] as const;
  expect(await answerOf(await remove({ model: "a" }))).toEqual(missing);
  expect(await answerOf(await server.post("/api/copy", { source: "a", destination: "b" }))).toEqual(missing);
  server.runtime.library.refusal = new ProxyError("model_read_only", "It came with the program.");
  expect(await answerOf(await remove({ model: "a" }))).toEqual([400, { error: "It came with the program." }]);
});

const JSON_TYPE = { "Content-Type": "application/json" };

test("a blob is uploaded once, and only as what it says it is", async () => {
  await using server = await startScripted();
  const content = "some weights";
  const digest = `sha256:${new Bun.CryptoHasher("sha256").update(content).digest("hex")}`;
  const head = async () => (await fetch(`${server.url}/api/blobs/${digest}`, { method: "HEAD" })).status;
  const upload = async (name: string, body: string) => (await server.post(`/api/blobs/${name}`, body)).status;
  expect(await head()).toBe(404);
  expect(await upload(digest, "other bytes")).toBe(400);
  expect([await head(), await upload(digest, content), await head()]).toEqual([404, 201, 200]);
  expect(await upload(digest, content)).toBe(200);
  expect(await upload(digest.replace(":", "-"), content)).toBe(200);
  expect(server.runtime.library.blobs).toEqual(new Map([[digest, content]]));
});

test.each([
  "sha256:abc",
  `sha256:${"C0".repeat(32)}`,
  `sha256:${"c0".repeat(33)}`,
  `md5:${DIGEST}`,
  "sha256:..%2F..%2Fetc%2Fpasswd",
  `..%2Fsha256:${DIGEST}`,
])("no blob is named %s", async (name) => {
  await using server = await startScripted();
  expect((await server.post(`/api/blobs/${name}`, "x")).status).toBe(400);
  expect((await fetch(`${server.url}/api/blobs/${name}`, { method: "HEAD" })).status).toBe(400);
  expect(server.runtime.library.blobs.size).toBe(0);
});

test("push says that there is nowhere to push to", async () => {
  await using server = await startScripted();
  expect(await answerOf(await server.post("/api/push", { model: "tiny" }))).toEqual([
    400,
    { error: expect.stringContaining("does not push") },
  ]);
});

const CHANGES = [
  ["POST", "/api/pull", { model: "tiny" }],
  ["POST", "/api/create", { model: "m", from: "tiny" }],
  ["POST", "/api/copy", { source: "a", destination: "b" }],
  ["DELETE", "/api/delete", { model: "a" }],
  ["POST", `/api/blobs/sha256:${DIGEST}`, {}],
] as const;

test.each(CHANGES)("%s %s: a page of another machine is refused, even an allowed one", async (method, path, body) => {
  await using server = await startScripted({ allowedHosts: ["chat.test"] });
  const ask = async (headers: Record<string, string>) => {
    const response = await fetch(server.url + path, { method, body: JSON.stringify(body), headers });
    await response.text();
    return response.status;
  };
  expect(await ask({ ...JSON_TYPE, Origin: "https://chat.test" })).toBe(403);
  expect(await ask({ ...JSON_TYPE, Origin: "https://evil.test" })).toBe(403);
  expect(await ask({ ...JSON_TYPE, Origin: "null" })).toBe(403);
  expect(await ask({ ...JSON_TYPE, "Sec-Fetch-Site": "cross-site" })).toBe(403);
  if (!path.startsWith("/api/blobs")) {
    expect(await ask({ "Content-Type": "text/plain" })).toBe(400);
    expect(await ask({ "Content-Type": "multipart/form-data; boundary=x" })).toBe(400);
  }
  const { pulls, creations, copies, removed, blobs } = server.runtime.library;
  expect([pulls, creations, copies, removed, blobs.size]).toEqual([[], [], [], [], 0]);
});

test.each(CHANGES.slice(0, 4))("%s %s: this machine's pages and curl -d are served", async (method, path, body) => {
  await using server = await startScripted();
  const ask = async (headers: Record<string, string>) => {
    const response = await fetch(server.url + path, { method, body: JSON.stringify(body), headers });
    await response.text();
    return response.status;
  };
  expect(await ask({ ...JSON_TYPE, Origin: "http://localhost:3000" })).toBe(200);
  expect(await ask({ "Content-Type": "application/x-www-form-urlencoded" })).toBe(200);
  expect(await ask({ "Content-Type": "application/json; charset=utf-8" })).toBe(200);
});

test("search hands on its filters and answers in the original's fields", async () => {
  await using server = await startScripted();
  const found = {
    name: "tiny",
    repository: "test/tiny",
    kind: "llm",
    quantization: "INT4",
    downloads: 5,
    likes: 1,
    updated: "",
    devices: ["CPU"],
    pulled: false,
    gated: false,
    remarks: [],
  } as const;
  server.runtime.library.page = {
    results: [found],
    total: 9,
    hasMore: true,
    from: "catalog",
    note: "The hub is away.",
  };
  const get = async (query: string) => answerOf(await fetch(`${server.url}/api/search${query}`));
  expect(await get("")).toEqual([
    200,
    { models: [found], total: 9, offset: 0, limit: 20, has_more: true, from: "catalog", note: "The hub is away." },
  ]);
  await get("?q=ti+ny&sort=likes&limit=3&offset=6&type=vision&quantization=int4&min_downloads=10&author=test");
  expect(server.runtime.library.searches).toEqual([
    { text: "", sort: "popular", limit: 20, offset: 0 },
    {
      text: "ti ny",
      sort: "likes",
      limit: 3,
      offset: 6,
      kind: "vlm",
      quantization: "int4",
      minDownloads: 10,
      author: "test",
    },
  ]);
});

test.each([
  ["sort=best", "sort must be one of popular, newest, downloads, likes"],
  ["limit=0", "limit must be a whole number between 1 and 100"],
  ["limit=101", "limit must be a whole number between 1 and 100"],
  ["offset=-1", "offset must be a whole number between 0 and 10000"],
  ["type=cat", /^type must be one of all, llm/],
  ["type=constructor", /^type must be one of all, llm/],
  [`q=${"x".repeat(201)}`, "q must have at most 200 characters"],
])("search refuses %s", async (query, error) => {
  await using server = await startScripted();
  expect(await answerOf(await fetch(`${server.url}/api/search?${query}`))).toEqual([
    400,
    { error: typeof error === "string" ? error : expect.stringMatching(error) },
  ]);
});

test("the catalogue is listed", async () => {
  await using server = await startScripted();
  expect(await answerOf(await fetch(`${server.url}/api/models/known`))).toEqual([
    200,
    {
      models: [
        {
          ollama_name: "tiny:latest",
          huggingface_repo: ENTRY.repository,
          name: "tiny:latest",
          aliases: ENTRY.aliases as string[],
          family: "llama",
          kind: "llm",
          parameter_size: "1.1B",
          quantization: "INT4 channel-wise",
          repository: ENTRY.repository,
          devices: ["NPU", "CPU"],
          license: "apache-2.0",
          context_length: 2048,
        },
      ],
    },
  ]);
});

test("other methods get 405 with the ones that there are, each once", async () => {
  await using server = await startScripted();
  const response = await fetch(`${server.url}/api/pull`);
  expect([response.status, response.headers.get("Allow")]).toEqual([405, "POST"]);
});
