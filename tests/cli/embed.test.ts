import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { ProxyError } from "../../src/core/errors.ts";
import { scriptedEmbeddings, vectorOf } from "../support/scripted-embeddings.ts";
import { type ScriptedServer, startScripted } from "../support/scripted-runtime.ts";
import { Home } from "./command.ts";

interface Line {
  readonly line: number;
  readonly id?: string;
  readonly embedding?: number[] | string;
  readonly error?: string;
}

describe("npu-proxy embed", () => {
  let home: Home;
  let server: ScriptedServer;
  beforeAll(async () => {
    home = await Home.create();
  });
  afterAll(async () => await home[Symbol.asyncDispose]());
  beforeEach(async () => {
    server = await startScripted({ embeddingModel: "minilm" });
  });
  afterEach(async () => await server[Symbol.asyncDispose]());

  const env = () => ({ NPU_PROXY_PORT: String(server.port) });
  const embed = (args: readonly string[], stdin?: string) =>
    home.run(["embed", ...args], { env: env(), ...(stdin !== undefined && { stdin }) });
  const write = async (name: string, text: string) => void (await Bun.write(join(home.directory, name), text));
  const read = async (name: string) => await Bun.file(join(home.directory, name)).text();
  const parsed = (text: string) =>
    text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
  const texts = () => server.runtime.embeds.flatMap(({ inputs }) => inputs);

  test("lines of text become lines of JSON on stdout, and nothing else is said", async () => {
    await write("plain.txt", 'first\r\n\nthird "quoted"\n');
    const { code, stdout, stderr } = await embed(["plain.txt", "--model", "minilm"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(parsed(stdout).map(({ line }) => line)).toEqual([1, 3]);
    expect(texts()).toEqual(["first", 'third "quoted"']);
    const vector = vectorOf("first");
    const length = Math.hypot(...vector);
    const [first] = parsed(stdout);
    expect(((first?.embedding ?? []) as number[]).map(Math.fround)).toEqual([...vector.map((value) => value / length)]);
  });

  test("lines of JSON are taken as they are, from stdin too; a bad one is told and the command fails", async () => {
    const { code, stdout, stderr } = await embed(["-"], '{"id":"a","text":"one"}\n{"id":"b"}\n"three"');
    expect(code).toBe(1);
    expect(stderr).toContain("1 line has no vector");
    expect(parsed(stdout).map(({ line, id, error }) => [line, id, error !== undefined])).toEqual([
      [1, "a", false],
      [2, "b", true],
      [3, undefined, false],
    ]);
    expect(texts()).toEqual(["one", "three"]);
  });

  test("JSON from a pipe is known as such, though its first line comes in pieces behind empty ones", async () => {
    const child = home.start(["embed", "-"], env());
    const line = JSON.stringify({ id: "long", text: "word ".repeat(200) });
    for (const piece of ["\n", " \n", line.slice(0, 9), line.slice(9), '\n"two"\n']) {
      void child.stdin.write(piece);
      await child.stdin.flush();
      await Bun.sleep(50); // the pieces may come together: then the test sees less, and passes all the same
    }
    await child.stdin.end();
    expect(await child.exited).toBe(0);
    expect(texts()).toEqual(["word ".repeat(200), "two"]);
  });

  test("--plain takes what looks like JSON as text; --encoding and --input-type reach the server", async () => {
    await write("quotes.txt", '"yes"\n');
    const { stdout } = await embed(["quotes.txt", "--plain", "--encoding", "base64", "--input-type", "query"]);
    expect(texts()).toEqual(['"yes"']);
    expect(server.runtime.embeds[0]?.purpose).toBe("query");
    expect(Buffer.from(parsed(stdout)[0]?.embedding as string, "base64")).toHaveLength(16);
  });

  test("many lines, in order", async () => {
    await write("many.txt", Array.from({ length: 5000 }, (_, i) => `text ${i}\n`).join(""));
    const { code, stdout } = await embed(["many.txt"]);
    expect(code).toBe(0);
    expect(parsed(stdout).map(({ line }) => line)).toEqual(Array.from({ length: 5000 }, (_, i) => i + 1));
  });

  test("an output file is never overwritten, and gone on with behind its last whole line", async () => {
    await write("five.txt", "one\ntwo\nthree\nfour\nfive\n");
    expect((await embed(["five.txt", "--output", "out.jsonl"])).code).toBe(0);
    const whole = await read("out.jsonl");
    const again = await embed(["five.txt", "--output", "out.jsonl"]);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("--resume")]);
    expect(await read("out.jsonl")).toBe(whole);

    const lines = whole.split("\n");
    for (const kept of [
      "",
      `${lines[0]}`,
      `${lines[0]}\n`,
      `${lines.slice(0, 3).join("\n")}\n${lines[3]?.slice(0, 9)}`,
    ]) {
      await write("out.jsonl", kept);
      const before = server.runtime.embeds.length;
      expect((await embed(["five.txt", "--output", "out.jsonl", "--resume"])).code).toBe(0);
      expect(await read("out.jsonl")).toBe(whole);
      const computed = server.runtime.embeds.slice(before).flatMap(({ inputs }) => inputs);
      expect(computed).toHaveLength(6 - kept.split("\n").length);
    }
    const done = server.runtime.embeds.length;
    expect((await embed(["five.txt", "--output", "out.jsonl", "--resume"])).code).toBe(0);
    expect(server.runtime.embeds).toHaveLength(done);
    expect(await read("out.jsonl")).toBe(whole);
  });

  test("--resume starts a file that is not there, and leaves one that is not its own", async () => {
    await write("two.txt", "one\ntwo\n");
    expect((await embed(["two.txt", "--output", "new.jsonl", "--resume"])).code).toBe(0);
    expect(parsed(await read("new.jsonl"))).toHaveLength(2);
    for (const letter of [
      "Dear Sir,\n",
      "Dear Sir,",
      "Dear Sir,\nI am",
      `${(await read("new.jsonl")).slice(0, -1)}\nI am`,
    ]) {
      await write("letter.txt", letter);
      const { code, stderr } = await embed(["two.txt", "--output", "letter.txt", "--resume"]);
      expect([code, stderr]).toEqual([2, expect.stringContaining("letter.txt")]);
      expect(await read("letter.txt")).toBe(letter);
    }
    expect((await embed(["two.txt", "--resume"])).code).toBe(2);
  });

  test("a model that fails on its way leaves whole lines, and says how to go on", async () => {
    await write("batch.txt", Array.from({ length: 1000 }, (_, i) => `text ${i}\n`).join(""));
    server.runtime.embedding = (request) => {
      if (request.inputs.includes("text 640")) throw new ProxyError("runner_crashed", "The runner ended.");
      return scriptedEmbeddings(request);
    };
    const { code, stderr } = await embed(["batch.txt", "--output", "part.jsonl"]);
    expect(code).toBe(1);
    expect(stderr).toContain("--resume");
    expect(stderr).toContain("The runner ended. (runner_crashed)");
    expect(parsed(await read("part.jsonl"))).toHaveLength(640);
    server.runtime.embedding = scriptedEmbeddings;
    expect((await embed(["batch.txt", "--output", "part.jsonl", "--resume"])).code).toBe(0);
    expect(parsed(await read("part.jsonl")).map(({ line }) => line)).toEqual(
      Array.from({ length: 1000 }, (_, i) => i + 1),
    );
  });

  test("what is not there is told: a file, a model", async () => {
    const file = await embed(["nothing.txt"]);
    expect([file.code, file.stderr]).toEqual([2, expect.stringContaining("There is no file nothing.txt")]);
    expect((await embed(["."])).code).toBe(2);
    await write("one.txt", "one\n");
    const model = await embed(["one.txt", "--model", "nope", "--output", "mended.jsonl"]);
    expect([model.code, model.stdout, model.stderr]).toEqual([3, "", expect.stringContaining("not found")]);
    expect((await embed(["one.txt", "--output", "mended.jsonl"])).code).toBe(0);
    expect(parsed(await read("mended.jsonl"))).toHaveLength(1);
  });

  test("an empty file has no vectors", async () => {
    await write("empty.txt", "");
    expect(await embed(["empty.txt"])).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("Ctrl-C stops it, keeps what was embedded, and the bar tells how far it is", async () => {
    await write("slow.txt", Array.from({ length: 100 }, (_, i) => `text ${i}\n`).join(""));
    const left = Promise.withResolvers<void>();
    server.runtime.embedding = (request, signal) => {
      if (request.inputs.includes("text 0")) return scriptedEmbeddings(request);
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          left.resolve();
          reject(signal.reason);
        }),
      );
    };
    const screen = home.terminal(["embed", "slow.txt", "--output", "slow.jsonl"], env());
    await screen.shows(/slow\.txt {2}█+░+ {2}\d+% {2}\d+\/100 texts {2}\S+ texts\/s {2}\S+ left/);
    screen.signal("SIGINT");
    expect(await screen.exited()).toBe(130);
    await left.promise;
    expect(screen.text).toContain("--resume");
    expect(parsed(await read("slow.jsonl"))).toHaveLength(64);
  });

  test("a bar at a terminal ends with what was done", async () => {
    await write("short.txt", "one\ntwo\nthree\n");
    const screen = home.terminal(["embed", "short.txt", "--output", "short.jsonl"], env());
    expect(await screen.exited()).toBe(0);
    expect(screen.lines.filter(Boolean)).toEqual([
      expect.stringMatching(/^short\.txt: 3 texts in \d+s, \S+ texts\/s$/),
    ]);
  });
});
