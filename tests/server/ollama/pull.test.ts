import { expect, test } from "bun:test";
import { ProxyError } from "../../../src/core/errors.ts";
import { DIGEST, PULLED } from "../../support/scripted-library.ts";
import { startScripted } from "../../support/scripted-runtime.ts";

const linesOf = async (response: Response) =>
  (await response.text()).split("\n").map((text) => (text === "" ? "" : (JSON.parse(text) as Record<string, unknown>)));
const answerOf = async (response: Response) => [response.status, await response.json()] as const;

test("a pull is told in Ollama's lines, each line JSON and nothing between them", async () => {
  await using server = await startScripted();
  const response = await server.post("/api/pull", { model: "tiny" });
  expect(response.headers.get("Content-Type")).toBe("application/x-ndjson");
  const file = { status: "pulling c0c0c0c0c0c0", digest: `sha256:${DIGEST}`, total: 1000, file: "openvino_model.bin" };
  expect(await linesOf(response)).toEqual([
    { status: "pulling manifest" },
    { status: "using test/tiny-int4-cw-ov for tiny:latest: channel-wise for the NPU" },
    file,
    { status: "retrying openvino_model.bin in 1 s: the connection was cut", file: "openvino_model.bin" },
    { ...file, completed: 1000 },
    { status: "verifying sha256 digest" },
    { status: "converting: 3 of 6 layers" },
    { status: "writing manifest" },
    { status: "inspecting model" },
    { status: "success", model: "tiny:latest", notes: ["NPU: yes"], unchanged: false },
    "",
  ]);
  expect(await server.observer.request()).toMatchObject({ api: "/api/pull", model: "tiny", status: 200 });
});

test.each([
  [{ name: "tiny", model: "" }, {}],
  [{ model: "tiny", insecure: true, username: "u", stream: true }, {}],
  [{ model: "tiny", ir: true }, { keepIr: true }],
  [{ model: "tiny", ir: false }, {}],
])("a pull takes %j, as Ollama's clients send it", async (body, expected) => {
  await using server = await startScripted();
  await (await server.post("/api/pull", body)).text();
  expect(server.runtime.library.pulls).toEqual([{ name: "tiny", ...expected }]);
});

test.each([
  [{ huggingface_token: "secret-1" }, undefined, "secret-1"],
  [{}, "Bearer hf_abc", "hf_abc"],
  [{ huggingface_token: "hf_body" }, "Bearer hf_header", "hf_body"],
  [{}, "Bearer ollama", undefined],
])("a hub token comes by %j and %p", async (body, authorization, token) => {
  await using server = await startScripted();
  const headers = authorization ? { Authorization: authorization } : {};
  await (await server.post("/api/pull", { model: "tiny", ...body }, { headers })).text();
  expect(server.runtime.library.pulls[0]?.token).toBe(token as string);
});

test("a token that could not be a header is refused and not repeated", async () => {
  await using server = await startScripted();
  const [status, body] = await answerOf(
    await server.post("/api/pull", { model: "tiny", huggingface_token: "a\r\nX: b" }),
  );
  expect([status, body]).toEqual([400, { error: "huggingface_token must be a token of the hub" }]);
});

test("without a stream a pull answers with its last line", async () => {
  await using server = await startScripted();
  const answer = await answerOf(await server.post("/api/pull", { model: "tiny", stream: false }));
  expect(answer).toEqual([200, { status: "success", model: "tiny:latest", notes: ["NPU: yes"], unchanged: false }]);
});

test("what was pulled is made ready for its first request, unless that is not wanted or nothing is new", async () => {
  const warmed: string[] = [];
  await using server = await startScripted({ warmAfterPull: (model) => warmed.push(model) });
  const { library } = server.runtime;
  const pull = async (body: object) => (await server.post("/api/pull", { model: "tiny", ...body })).text();
  await pull({});
  await pull({ stream: false, warm: true });
  expect(warmed).toEqual(["tiny:latest", "tiny:latest"]);
  await pull({ warm: false });
  library.events = [{ type: "done", model: "tiny:latest", notes: [], unchanged: true }];
  await pull({});
  library.events = PULLED.slice(0, 3);
  library.refusal = CUT;
  await pull({});
  await pull({ stream: false });
  expect(warmed).toHaveLength(2);
});

const GONE = new ProxyError("model_not_found", "The hub has no such repository.");
const CUT = new ProxyError("download_corrupt", "The file came with other bytes twice.");

test.each([
  [[], GONE, 404, `pull model manifest: model 'tiny' not found: ${GONE.message}`, "model_not_found"],
  [PULLED.slice(0, 1), GONE, 404, `pull model manifest: model 'tiny' not found: ${GONE.message}`, "model_not_found"],
  [PULLED.slice(0, 4), CUT, 502, CUT.message, "download_corrupt"],
  [
    PULLED.slice(0, 1),
    new ProxyError("hub_denied", "Its terms must be accepted."),
    403,
    "pull model manifest: Its terms must be accepted.",
    "hub_denied",
  ],
] as const)("a pull that fails after %j says why", async (events, refusal, status, error, code) => {
  await using server = await startScripted();
  Object.assign(server.runtime.library, { events, refusal });
  const whole = await server.post("/api/pull", { model: "tiny", stream: false });
  expect([whole.headers.get("X-NPU-Proxy-Error"), ...(await answerOf(whole))]).toEqual([code, status, { error }]);
  const streamed = await server.post("/api/pull", { model: "tiny" });
  if (events.length === 0) expect(await answerOf(streamed)).toEqual([status, { error }]);
  else expect([streamed.status, (await linesOf(streamed)).at(-2)]).toEqual([200, { error, code }]);
});

test("a client that leaves ends its pull", async () => {
  await using server = await startScripted();
  server.runtime.library.endless = true;
  const leave = new AbortController();
  const response = await server.post("/api/pull", { model: "tiny" }, { signal: leave.signal });
  await response.body?.getReader().read();
  leave.abort();
  await server.runtime.library.left;
  expect(await server.observer.request()).toMatchObject({ status: 499, error: "client_closed" });
});
