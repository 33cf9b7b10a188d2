import { expect, test } from "bun:test";
import { Home } from "./command.ts";
import { ScriptedServer, telling } from "./scripted-server.ts";

const XML = { digest: `sha256:${"a".repeat(64)}`, file: "openvino_model.xml", total: 2_500_000 };
const BIN = {
  digest: `sha256:${"b".repeat(64)}`,
  file: "openvino_model_of_a_long_name_indeed.bin",
  total: 1_200_000_000,
};

const lines = [
  { status: "pulling manifest" },
  {
    status:
      "using OpenVINO/Tiny-int4-cw-ov for tinyllama:latest: this machine has an NPU, which wants channel-wise INT4",
  },
  { status: "pulling aaaaaaaaaaaa", ...XML },
  { status: "pulling bbbbbbbbbbbb", ...BIN, completed: 300_000_000 },
  { status: "pulling aaaaaaaaaaaa", ...XML, completed: XML.total },
  { status: "pulling bbbbbbbbbbbb", ...BIN, completed: BIN.total },
  { status: "verifying sha256 digest" },
  { status: "writing manifest" },
  { status: "success", model: "tinyllama:latest", notes: ["NPU: no: INT4 asymmetric"] },
];

test("into a pipe, pull writes a line when a file begins and one when it is here", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.progress = telling(...lines);
  const { code, stdout, stderr } = await home.run(["pull", "tinyllama"], { env: server.env });
  expect(stdout).toBe(`pulling manifest
using OpenVINO/Tiny-int4-cw-ov for tinyllama:latest: this machine has an NPU, which wants channel-wise INT4
openvino_model.xml: 2.5 MB
openvino_model_of_a_long_name_indeed.bin: from 25% of 1.2 GB
openvino_model.xml: done, 2.5 MB
openvino_model_of_a_long_name_indeed.bin: done, 1.2 GB
verifying sha256 digest
writing manifest
tinyllama:latest is here.
  NPU: no: INT4 asymmetric
`);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const { path, body } = server.asked.at(-1) ?? {};
  expect([path, body]).toEqual(["/api/pull", { model: "tinyllama", stream: true }]);
});

test("pull --ir asks the server to keep the IR of a GGUF model", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.progress = telling(...lines);
  expect((await home.run(["pull", "tinyllama", "--ir"], { env: server.env })).code).toBe(0);
  expect(server.asked.at(-1)?.body).toEqual({ model: "tinyllama", stream: true, ir: true });
});

test("at a terminal of 80 columns every file has a bar, redrawn in place", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const half = Promise.withResolvers<void>();
  server.progress = async function* () {
    yield* lines.slice(0, 5);
    await half.promise;
    yield* lines.slice(5);
  };
  const screen = home.terminal(["pull", "tinyllama"], server.env, 80);
  await screen.shows(/ 25%/);
  await screen.shows(/100%/);
  const decided = [
    "using OpenVINO/Tiny-int4-cw-ov for tinyllama:latest: this machine has an NPU,",
    "  which wants channel-wise INT4",
  ];
  expect(screen.lines.slice(0, 2)).toEqual(decided);
  const [first = "", second = "", ...rest] = screen.lines.slice(2);
  expect(first).toMatch(/^openvino_model\.xml +█+ +100% +2\.5 MB/);
  expect(second).toMatch(/^openvino_mod\S*…\S*deed\.bin +█+░+ +25% +0\.3\/1\.2 GB/);
  expect(rest).toEqual(["pulling manifest", ""]);

  half.resolve();
  expect(await screen.exited()).toBe(0);
  expect(screen.lines.slice(0, 2)).toEqual(decided);
  const [, bin = "", ...end] = screen.lines.slice(2);
  expect(bin).toMatch(/^openvino_mod\S*…\S*deed\.bin +█+ +100% +1\.2 GB/);
  expect(end).toEqual(["tinyllama:latest is here.", "  NPU: no: INT4 asymmetric", ""]);
});

test.each([20, 34, 50, 61, 200])("a terminal of %d columns is never wrapped by a bar", async (columns) => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.progress = telling(...lines.slice(2, -1), { status: "success", model: "t" });
  const screen = home.terminal(["pull", "tinyllama"], server.env, columns);
  expect(await screen.exited()).toBe(0);
  const [xml = "", bin = "", ...rest] = screen.lines;
  expect(xml).toMatch(/^open/);
  expect(bin).toMatch(/^open/);
  expect(rest).toEqual(["t is here.", ""]);
});

test("a model that was here already is told so", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.progress = telling({ status: "success", model: "tinyllama:latest", notes: [], unchanged: true });
  const { stdout } = await home.run(["pull", "tinyllama"], { env: server.env });
  expect(stdout).toBe("tinyllama:latest was here already, and is the newest.\n");
});

test("a terminal that moves no cursor gets plain lines", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.progress = telling(...lines);
  const screen = home.terminal(["pull", "tinyllama"], { ...server.env, TERM: "dumb" });
  expect(await screen.exited()).toBe(0);
  expect(screen.raw).not.toContain("\u001b");
  expect(screen.lines).toContain("openvino_model.xml: done, 2.5 MB");
});

test("a file whose pull begins again goes back, and control characters of its name stay out of the terminal", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  const file = "model\u001b]0;owned\u0007.bin";
  server.progress = telling(
    { status: "pulling", ...XML, file, completed: 2_000_000 },
    { status: "pulling", ...XML, file, completed: 0 },
    { status: "pulling", ...XML, file, completed: XML.total },
    { status: "success" },
  );
  const screen = home.terminal(["pull", "tinyllama"], server.env, 80);
  expect(await screen.exited()).toBe(0);
  expect(screen.raw).not.toContain("\u0007");
  expect(screen.lines[0]).toMatch(/^model\]0;owned\.bin +█+ +100%/);
});

test("--json passes the server's lines on as they are", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.progress = telling(...lines);
  const { stdout } = await home.run(["pull", "tinyllama", "--json"], { env: server.env });
  expect(stdout).toBe(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
});

test.each([
  [
    { error: "pull model manifest: file does not exist", code: "model_not_found" },
    3,
    "npu-proxy: file does not exist (model_not_found)\n",
  ],
  [{ error: "The disk is full.", code: "storage_full" }, 1, "npu-proxy: The disk is full. (storage_full)"],
  [{ error: "Something.", code: "of another version" }, 1, "npu-proxy: Something. (hub_failed)"],
])("an error inside the stream: %j", async (line, exit, sentence) => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.progress = telling({ status: "pulling manifest" }, line);
  const { code, stdout, stderr } = await home.run(["pull", "nope"], { env: server.env });
  expect(stderr).toContain(sentence);
  expect(stdout).toBe("pulling manifest\n");
  expect(code).toBe(exit);
});

test("a pull that ends without success is a failure", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.progress = telling({ status: "pulling manifest" });
  const { code, stderr } = await home.run(["pull", "demo"], { env: server.env });
  expect(stderr).toContain("before it was complete");
  expect(code).toBe(1);
});

test("Ctrl-C ends a pull with 130, says that it goes on from there, and the server learns of it", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.progress = async function* () {
    yield* lines.slice(0, 4);
    await server.left.promise;
  };
  const screen = home.terminal(["pull", "tinyllama"], server.env, 80);
  await screen.shows(/ 25%/);
  screen.type("\u0003");
  expect(await screen.exited()).toBe(130);
  expect(screen.text).toContain("the same command goes on from there");
  await server.left.promise;
});

test("who stops reading the progress ends the pull and is no failure", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.progress = async function* () {
    for (let completed = 0; ; completed += 1) {
      yield { status: `step ${completed}` };
      await Bun.sleep(0);
    }
  };
  const child = home.start(["pull", "tinyllama"], server.env);
  await child.stdin.end();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  expect(await child.exited).toBe(0);
  await server.left.promise;
});
