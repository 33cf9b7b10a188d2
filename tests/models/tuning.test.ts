import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { copyDemo, temporaryFolder } from "../support/demo.ts";
import { failure } from "../support/failure.ts";
import { openTestStore } from "../support/model-store.ts";

test("models.json: settings of one model, a draft by name; what is wrong in it is named", async () => {
  using folder = temporaryFolder();
  const write = (content: unknown) => writeFileSync(join(folder.path, "models.json"), JSON.stringify(content));
  copyDemo(folder.path, "small");
  const models = openTestStore(folder.path);
  write({ "Demo:latest": { prompt_lookup: true, draft_model: "small", chat_template: "x" } });
  expect((await models.get("demo")).tuning).toEqual({
    promptLookup: true,
    chatTemplate: "x",
    draft: { name: "small:latest", directory: join(folder.path, "small") },
  });
  expect((await models.get("small")).tuning).toEqual({});
  write({ demo: { draft_model: "missing" } });
  expect(await failure(models.get("demo"))).toMatchObject({ code: "model_not_found" });
  write({ demo: { prompt_lokup: true } });
  expect(await failure(models.get("demo"))).toMatchObject({
    code: "invalid_setting",
    message: expect.stringContaining("prompt_lokup"),
  });
});

test("models.json: limits on the NPU, in tokens, and pinning", async () => {
  using folder = temporaryFolder();
  const write = (content: unknown) => writeFileSync(join(folder.path, "models.json"), JSON.stringify(content));
  const models = openTestStore(folder.path);
  write({ demo: { npu_token_limit: 900, npu_max_prompt_len: 1000, npu_min_response_len: 100, pin: true } });
  expect((await models.get("demo")).tuning).toEqual({
    limits: { tokenLimit: 900, maxPromptTokens: 1000, minResponseTokens: 100 },
    pin: true,
  });
  write({ demo: { npu_token_limit: 900, pin: false } });
  expect((await models.get("demo")).tuning).toEqual({ limits: { tokenLimit: 900 }, pin: false });
  for (const wrong of [
    { npu_token_limit: 0 },
    { npu_max_prompt_len: 1.5 },
    { npu_min_response_len: "9" },
    { pin: 1 },
  ]) {
    write({ demo: wrong });
    expect(await failure(models.get("demo"))).toMatchObject({
      code: "invalid_setting",
      message: expect.stringContaining(`demo.${Object.keys(wrong)[0]}: `),
    });
  }
});
