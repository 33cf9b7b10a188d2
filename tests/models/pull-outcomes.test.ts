/** Pulls that end early, and pulls that must not be mistaken for ones that were done. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Converter } from "../../src/models/pull/convert.ts";
import { DEMO } from "../support/demo.ts";
import { alphabetFile } from "../support/gguf.ts";
import { demoRepository } from "../support/hub.ts";
import { pullScene, textFile } from "../support/pull-scene.ts";

const { signal } = new AbortController();

test("what nobody can convert is refused with the command, the repository in it", async () => {
  const asked: unknown[] = [];
  const converter: Converter = {
    plan: (_files, _config, kind, repository) => {
      asked.push(kind, repository);
      return { with: "nothing", advice: `convert ${repository} by hand.` };
    },
    convert: () => {
      throw new Error("nothing can be converted");
    },
  };
  using it = await pullScene({ converter });
  it.hub.addRepository("test/source", {
    files: { "model.safetensors": textFile("weights"), "config.json": textFile("{}") },
  });
  const { error } = await it.outcome("test/source");
  expect(error).toMatchObject({
    code: "conversion_failed",
    message: expect.stringContaining("convert test/source by hand."),
  });
  expect(asked).toEqual(["llm", "test/source"]);
});

test("a derived model under the pulled one's name is not the pulled one", async () => {
  using it = await pullScene();
  await it.pull("test/demo");
  const request = { name: "test/demo", from: "test/demo", system: "Be brief.", allowFolder: false };
  await Array.fromAsync(it.library.create(request, signal));
  expect((await it.store.get("test/demo")).recipe).toMatchObject({ system: "Be brief." });
  const sent = it.hub.bytesSent;
  const events = await it.pull("test/demo");
  expect(events.at(-1)).toMatchObject({ type: "done", unchanged: false });
  expect((await it.store.get("test/demo")).recipe).toBeUndefined();
  expect(it.hub.bytesSent).toBe(sent);
});

test("a GGUF file that cannot be served is refused by its header, before it is fetched", async () => {
  using it = await pullScene();
  const gemma = alphabetFile({ "general.architecture": ["general.architecture", "string", "gemma3"] });
  const large = Buffer.concat([gemma, Buffer.alloc(17 << 20)]);
  it.hub.addRepository("test/gguf", { files: { "model.Q8_0.gguf": large } });
  const { events, error } = await it.outcome("test/gguf");
  expect(error).toMatchObject({ code: "model_invalid", message: expect.stringMatching(/'test\/gguf'.*'gemma3'/) });
  expect(events.map(({ type }) => type)).toEqual(["resolving"]);
  expect(it.hub.bytesSent).toBeLessThan(large.length);
  expect(it.partial()).toEqual([]);
});

test("a GGUF file is pulled from a hub without ranges, its header read from the beginning each time", async () => {
  using it = await pullScene();
  const tokens = Array.from({ length: 400_000 }, (_, id) => `unused token ${id}`);
  const name = alphabetFile({ "tokenizer.ggml.unused": ["tokenizer.ggml.unused", "strings", tokens] });
  it.hub.addRepository("test/gguf", { files: { "model.Q8_0.gguf": name } });
  it.hub.fault({ path: "gguf" }, { noRange: true });
  const { error } = await it.outcome("test/gguf");
  expect(error).toBeUndefined();
  expect(await it.store.get("test/gguf")).toMatchObject({ format: "gguf", quantization: "Q8_0" });
});

test("a hub that nobody answers for is given up after two more attempts", async () => {
  for (const endpoint of ["http://127.0.0.1:1", "http://hub.invalid"]) {
    using it = await pullScene({ endpoint });
    const { events, error } = await it.outcome("test/demo");
    expect(error).toMatchObject({ code: "hub_unreachable" });
    expect(events.filter(({ type }) => type === "retry")).toHaveLength(2);
  }
});

test("a hub that fails otherwise is asked as long as before", async () => {
  using it = await pullScene();
  it.hub.fault({ path: "/api/models/test/demo", times: 4 }, { status: 503 });
  const { events, error } = await it.outcome("test/demo");
  expect(error).toBeUndefined();
  expect(events.filter(({ type, ...event }) => type === "retry" && "file" in event && event.file === "")).toHaveLength(
    4,
  );
});

test("wrong bytes once: the file is fetched again, and the hub still has the right ones", async () => {
  using it = await pullScene();
  const bin = readFileSync(join(DEMO, "openvino_model.bin"));
  const before = Buffer.from(bin);
  it.hub.addRepository("test/demo", { files: { ...demoRepository().files, "openvino_model.bin": bin } });
  it.hub.fault({ path: "openvino_model.bin", times: 1 }, { wrongBytes: true });
  const { error } = await it.outcome("test/demo");
  expect(error).toBeUndefined();
  expect(bin.equals(before)).toBe(true);
});

test("what arrived whole and is no model leaves nothing behind, and the error says so", async () => {
  using it = await pullScene();
  const files = { ...demoRepository().files, "config.json": textFile("[]") };
  it.hub.addRepository("test/broken", { files });
  const { events, error } = await it.outcome("test/broken");
  expect(events.at(-1)).toEqual({ type: "inspecting" });
  expect(error).toMatchObject({
    code: "model_invalid",
    message: expect.stringMatching(/test\/broken.*damaged: config\.json.*Nothing of it was kept\.$/),
  });
  expect(it.partial()).toEqual([]);
  expect(await it.library.prune(true, signal)).toEqual({ items: [], bytes: 0, kept: [] });
});
