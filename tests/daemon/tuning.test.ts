/** Settings of single models (models.json), through the real daemon. */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, until } from "../support/daemon.ts";
import { copyDemo, temporaryFolder } from "../support/demo.ts";

interface Running {
  readonly name: string;
  readonly tuning?: string[];
}

test("prompt lookup, a draft model and a template of the user's: same greedy answers, shown in ps", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "models"));
  for (const name of ["lookup", "drafted", "silent"]) copyDemo(join(folder.path, "models"), name);
  const settings = {
    lookup: { prompt_lookup: true },
    drafted: { draft_model: "demo" },
    silent: { chat_template: "{{ messages[0]['role'] }}" },
  };
  writeFileSync(join(folder.path, "models.json"), JSON.stringify(settings));
  await using daemon = await startDaemon({
    NPU_PROXY_DEVICE: "CPU",
    NPU_PROXY_CONFIG_DIR: folder.path,
    NPU_PROXY_MODEL_PATH: join(folder.path, "models"),
  });
  const ask = async (model: string) => {
    const response = await fetch(`${daemon.url}/api/generate`, {
      method: "POST",
      body: JSON.stringify({ model, prompt: "What is the capital of France?", stream: false }),
    });
    return (await response.json()) as { response: string; prompt_eval_count: number; eval_count: number };
  };
  const plain = await ask("demo");
  expect(plain.response).toContain("Paris");
  for (const model of ["lookup", "drafted"])
    expect(await ask(model)).toMatchObject({ response: plain.response, prompt_eval_count: plain.prompt_eval_count });
  expect((await ask("silent")).prompt_eval_count).toBeLessThan(plain.prompt_eval_count);

  const { models } = (await (await fetch(`${daemon.url}/api/ps`)).json()) as { models: Running[] };
  const shown = Object.fromEntries(models.map(({ name, tuning }) => [name, tuning]));
  expect(shown).toEqual({
    "demo:latest": undefined,
    "lookup:latest": ["prompt lookup"],
    "drafted:latest": ["draft demo:latest"],
    "silent:latest": undefined,
  });
}, 120_000);

test("limits of its own decide where a model's requests go, and a pinned one stays loaded", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "models"));
  copyDemo(join(folder.path, "models"), "narrow");
  const narrow = { npu_token_limit: 40, npu_max_prompt_len: 64, npu_min_response_len: 16, pin: true };
  writeFileSync(join(folder.path, "models.json"), JSON.stringify({ narrow }));
  await using daemon = await startDaemon({
    NPU_PROXY_NPU_EMULATION: "cpu",
    NPU_PROXY_KEEP_ALIVE: "0",
    NPU_PROXY_CONFIG_DIR: folder.path,
    NPU_PROXY_MODEL_PATH: join(folder.path, "models"),
  });
  const post = async (path: string, model: string, num_predict: number) => {
    const body = { model, prompt: "What is the capital of France?", stream: false, options: { num_predict } };
    return await (await fetch(daemon.url + path, { method: "POST", body: JSON.stringify(body) })).json();
  };
  const onNpu = (limits: object) => expect.arrayContaining([expect.objectContaining({ device: "NPU", ...limits })]);
  // 64 + 16 - 1 tokens: less than what is asked for.
  expect(await post("/api/route", "narrow", 200)).toMatchObject({
    device: "CPU",
    reason: "output_exceeds_npu_limit",
    devices: onNpu({ max_prompt_tokens: 40, context_length: 79 }),
  });
  expect(await post("/api/route", "demo", 200)).toMatchObject({ device: "NPU", devices: onNpu({ chosen: true }) });

  for (const model of ["demo", "narrow"]) await post("/api/generate", model, 5);
  const loaded = async (): Promise<Set<string>> => {
    const { models } = (await (await fetch(`${daemon.url}/api/ps`)).json()) as { models: Running[] };
    return new Set(models.map(({ name }) => name));
  };
  await until(async () => !(await loaded()).has("demo:latest"));
  expect(await loaded()).toEqual(new Set(["narrow:latest"]));
}, 120_000);
