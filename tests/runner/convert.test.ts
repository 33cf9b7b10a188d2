/** A conversion's process may crash, hang or be given up: the others go on, and it is gone. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ProxyError } from "../../src/core/errors.ts";
import { RunnerConnection } from "../../src/runner/connection.ts";
import { convertInRunner } from "../../src/runner/convert.ts";
import { isAlive, until } from "../support/daemon.ts";
import { temporaryFolder } from "../support/demo.ts";
import type { Behaviour } from "./scripted-converter.ts";

const observer = { log: () => undefined };

function convert(folder: string, directory: Behaviour, signal: AbortSignal): Promise<void> {
  const command = [process.execPath, join(import.meta.dir, "scripted-converter.ts")];
  return convertInRunner(
    new RunnerConnection({ command, observer }),
    { op: "convert", directory, into: folder },
    observer,
    signal,
  );
}

test("a crash is one clear error", async () => {
  using folder = temporaryFolder();
  const error = await convert(folder.path, "crash", new AbortController().signal).then(
    () => undefined,
    (thrown: unknown) => thrown as ProxyError,
  );
  expect(error).toBeInstanceOf(ProxyError);
  expect(error?.code).toBe("conversion_failed");
  expect(error?.message).toContain("ended before it was done");
  expect(error?.message).not.toContain(folder.path);
});

test("giving it up ends its process, however busy it is", async () => {
  using folder = temporaryFolder();
  const leaving = new AbortController();
  const conversion = convert(folder.path, "hang", leaving.signal);
  const pidFile = join(folder.path, "pid");
  await until(() => existsSync(pidFile) && readFileSync(pidFile, "utf8") !== "");
  const pid = Number(readFileSync(pidFile, "utf8"));
  expect(isAlive(pid)).toBe(true);
  leaving.abort();
  expect(((await conversion.catch((error: unknown) => error)) as ProxyError).code).toBe("client_closed");
  expect(isAlive(pid)).toBe(false);
});

test("one that was given up before it began begins nothing", async () => {
  using folder = temporaryFolder();
  const into = join(folder.path, "into");
  mkdirSync(into);
  const outcome = await convert(into, "hang", AbortSignal.abort()).catch((error: unknown) => error);
  expect(outcome).toBeInstanceOf(Error);
  expect(existsSync(join(into, "pid"))).toBe(false);
});
