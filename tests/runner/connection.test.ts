/** How the death of a runner is told. */
import { expect, test } from "bun:test";
import type { ProxyError } from "../../src/core/errors.ts";
import { RunnerConnection } from "../../src/runner/connection.ts";

const observer = { log: () => undefined };

/** A process that does this in the place of a runner, and how the kernel's count of kills is when it ends. */
async function death(script: string, kills = 0): Promise<ProxyError> {
  let asked = 0;
  const oomKills = (): number => (asked++ === 0 ? 3 : 3 + kills);
  const connection = new RunnerConnection({ command: [process.execPath, "-e", script], observer, oomKills });
  return await connection.exited;
}

const dying = (signal: string, words: string) =>
  `console.error(${JSON.stringify(words)}); process.kill(process.pid, "${signal}");`;

test("killed by the kernel for want of memory: said so; killed by anybody else: a crash", async () => {
  const error = await death(dying("SIGKILL", "last words"), 1);
  expect(error).toMatchObject({ code: "insufficient_memory", detail: "last words" });
  expect(error.message).toMatch(/ran out of memory and was ended by SIGKILL/);
  expect(await death(dying("SIGKILL", ""))).toMatchObject({ code: "runner_crashed" });
  expect(await death(dying("SIGTERM", ""), 1)).toMatchObject({ code: "runner_crashed" });
}, 30_000);

test("killed by ourselves while the kernel killed another: a crash", async () => {
  let kills = 0;
  const command = [process.execPath, "-e", "setInterval(() => undefined, 1000)"];
  const connection = new RunnerConnection({ command, observer, oomKills: () => kills++ });
  await connection.kill();
  expect(await connection.exited).toMatchObject({ code: "runner_crashed" });
}, 30_000);

test("an allocation that nobody caught", async () => {
  const words = "terminate called after throwing an instance of 'std::bad_alloc'";
  expect(await death(dying("SIGABRT", words))).toMatchObject({ code: "insufficient_memory", detail: words });
  expect(await death(dying("SIGABRT", "assertion failed"))).toMatchObject({ code: "runner_crashed" });
  expect(await death(dying("SIGSEGV", words))).toMatchObject({ code: "runner_crashed" });
}, 30_000);

test("what it said of itself before it ended counts most", async () => {
  const told = { ev: "error", code: "device_lost", message: "The device was lost." };
  const script = `process.send(${JSON.stringify(told)}, () => process.kill(process.pid, "SIGKILL"));`;
  expect(await death(script, 1)).toMatchObject({ code: "device_lost", message: "The device was lost." });
}, 30_000);
