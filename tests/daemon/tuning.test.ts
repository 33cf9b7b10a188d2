/** Settings of single models (models.json), through the real daemon. */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon.ts";
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
