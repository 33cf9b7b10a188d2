/** Clients that ask for much and read nothing. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { startDaemon, until } from "../support/daemon.ts";
import { temporaryFolder } from "../support/demo.ts";
import { ModelsFolder } from "./broken-demo.ts";
import { MuteClient } from "./mute-client.ts";

const MIB = 2 ** 20;
const MUTE = 4;

test("clients that do not read are ended with their own error; memory stays, others do not notice", async () => {
  using folder = temporaryFolder();
  new ModelsFolder(folder.path).endless("endless", 60_000);
  await using daemon = await startDaemon({
    NPU_PROXY_DEVICE: "CPU",
    NPU_PROXY_MODEL_PATH: folder.path,
    NPU_PROXY_MAX_OUTPUT: "60000",
    NPU_PROXY_SLOW_READER_TIMEOUT: "2",
  });
  const ask = async (): Promise<string> => {
    const options = { temperature: 0 };
    const body = JSON.stringify({ model: "demo", prompt: "What is the capital of France?", stream: false, options });
    const response = await fetch(`${daemon.url}/api/generate`, { method: "POST", body });
    return ((await response.json()) as { response: string }).response;
  };
  const memory = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"))?.[1]) * 1024;
  expect(await ask()).toContain("Paris");
  const before = memory();

  const options = { temperature: 2, num_predict: 50_000 };
  using clients = new DisposableStack();
  const ended = (id: string): boolean => new RegExp(` id=${id} .*error=slow_reader`).test(daemon.log());
  let highest = before;
  let reading = 0;
  // Each reads as soon as it was ended: what is not taken soon after that is lost with the connection.
  const mute = Array.from({ length: MUTE }, async (_, n) => {
    const id = `mute-client-${n}`;
    const client = clients.use(
      new MuteClient(daemon.url, "/api/generate", { model: "endless", prompt: "Hello!", options }, id),
    );
    await until(() => {
      highest = Math.max(highest, memory());
      return ended(id);
    });
    reading++;
    return await client.readAll();
  });
  while (reading < MUTE) expect(await ask()).toContain("Paris");
  const answers = await Promise.all(mute);
  // 50,000 tokens as they stand in answers are 4.5 MB a client: nothing near that may wait in the daemon.
  expect(highest - before).toBeLessThan(32 * MIB);
  for (const answer of answers) {
    expect(answer).toStartWith("HTTP/1.1 200");
    expect(answer.match(/"error":/g)).toHaveLength(1);
    expect(answer).toMatch(/\{"error":"The client read nothing for 2000 ms[^"]*"\}/);
    expect(answer).not.toContain('"done":true');
  }
  const health = (await (await fetch(`${daemon.url}/health`)).json()) as { models: { running: number }[] };
  expect(health.models.map(({ running }) => running)).toEqual([0, 0]);
  expect(await ask()).toContain("Paris");
}, 120_000);
