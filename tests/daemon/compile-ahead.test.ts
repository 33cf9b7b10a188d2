/** A running server compiles what was pulled into it, and its first request finds that. */
import { expect, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, until } from "../support/daemon.ts";
import { demoRepository, startHub } from "../support/hub.ts";

test("what is pulled is compiled for the NPU and unloaded again; its first request reads what was compiled", async () => {
  const hub = await startHub();
  hub.addRepository("test/demo", demoRepository());
  await using daemon = await startDaemon({
    HF_ENDPOINT: hub.url,
    NPU_PROXY_NPU_EMULATION: "cpu",
    NPU_PROXY_MAX_PROMPT_LEN: "256",
  });
  const post = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const response = await fetch(daemon.url + path, { method: "POST", body: JSON.stringify(body) });
    return (await response.json()) as Record<string, unknown>;
  };
  const blobs = () => {
    const compiled = join(daemon.home, ".cache", "npu-proxy", "compiled");
    const names = (readdirSync(compiled, { recursive: true }) as string[]).filter((name) => name.endsWith(".blob"));
    return names.map((name) => [name, statSync(join(compiled, name)).mtimeMs]);
  };
  const placed = async (): Promise<unknown[]> => {
    const { models } = (await (await fetch(`${daemon.url}/api/ps`)).json()) as { models: unknown[] };
    return models;
  };
  expect(await post("/api/pull", { model: "test/demo", stream: false })).toMatchObject({ status: "success" });
  await until(() => daemon.log().includes("compiled what was pulled"));
  await until(async () => (await placed()).length === 0);
  const compiled = blobs();
  expect(compiled).toHaveLength(1);

  const answer = await post("/api/generate", {
    model: "test/demo",
    prompt: "What is the capital of France?",
    stream: false,
  });
  expect(answer).toMatchObject({ done: true });
  expect(await placed()).toMatchObject([{ name: "test/demo:latest" }]);
  expect(blobs()).toEqual(compiled);
  hub.stop();
}, 120_000);
