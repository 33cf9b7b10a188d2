import { expect, test } from "bun:test";
import { createLog } from "../../src/log.ts";

const date = (): Date => new Date("2026-01-02T03:04:05.006Z");

function memory(): { lines: string[]; done: (() => void)[]; write(text: string, done: () => void): void; on(): void } {
  const lines: string[] = [];
  const done: (() => void)[] = [];
  const write = (text: string, written: () => void): void => {
    lines.push(text);
    done.push(written);
  };
  return { lines, done, write, on: () => undefined };
}

test("one line per event: time, level, message, fields; undefined ones left out", () => {
  const stream = memory();
  createLog("info", stream, date).log("info", "request", { id: "req_1", status: 200, cached: false, model: undefined });
  expect(stream.lines).toEqual(["2026-01-02T03:04:05.006Z info request id=req_1 status=200 cached=false\n"]);
});

test("what could break the line or the terminal is quoted and escaped", () => {
  const stream = memory();
  createLog("info", stream, date).log("warn", "two\nlines", {
    a: "x y",
    b: 'q"',
    c: "\u001b[2J\n",
    d: "",
    e: "\u0085",
  });
  expect(stream.lines).toEqual([
    '2026-01-02T03:04:05.006Z warn two\\u000alines a="x y" b="q\\"" c="\\u001b[2J\\n" d="" e="\\u0085"\n',
  ]);
});

test("lines below the level are not written", () => {
  const stream = memory();
  const log = createLog("warn", stream, date);
  for (const level of ["debug", "info", "warn", "error"] as const) log.log(level, level);
  expect(stream.lines.map((line) => line.split(" ")[1])).toEqual(["warn", "error"]);
});

test("a reader that does not read costs lines, not memory, and the loss is told", () => {
  const stream = memory();
  const log = createLog("info", stream, date);
  for (let line = 0; line < 5000; line += 1) log.log("info", "x".repeat(1000));
  expect(stream.lines.length).toBeLessThan(1200);
  const lost = 5000 - stream.lines.length;
  for (const written of stream.done) written();
  log.log("info", "again");
  expect(stream.lines.at(-2)).toContain(`lines=${lost}`);
  expect(stream.lines.at(-1)).toContain("again");
});

test("a stderr whose reader left does not end the process", async () => {
  const child = Bun.spawn(
    [
      process.execPath,
      "-e",
      `const { createLog } = await import(${JSON.stringify(new URL("../../src/log.ts", import.meta.url).pathname)});
       const log = createLog("info");
       await Bun.stdin.text();
       for (let line = 0; line < 100; line += 1) { log.log("info", "x".repeat(5000)); await Bun.sleep(0); }
       console.log("alive");`,
    ],
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  await child.stderr.cancel();
  await child.stdin.end();
  expect(await new Response(child.stdout).text()).toBe("alive\n");
  expect(await child.exited).toBe(0);
});
