/** GGUF models that are kept in OpenVINO's own format, too. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProxyError } from "../../src/core/errors.ts";
import type { GgufConverter } from "../../src/core/library.ts";
import { readManifest } from "../../src/models/store/manifest.ts";
import { startDaemon, testEnvironment } from "../support/daemon.ts";
import { temporaryFolder } from "../support/demo.ts";
import { alphabetFile } from "../support/gguf.ts";
import { startHub } from "../support/hub.ts";
import { openTestLibrary } from "../support/library.ts";

const { signal } = new AbortController();
const MAIN = join(import.meta.dir, "..", "..", "src", "main.ts");
const MADE = ["openvino_detokenizer", "openvino_model", "openvino_tokenizer"].flatMap((name) => [
  `${name}.bin`,
  `${name}.xml`,
]);
const XML =
  '<?xml version="1.0"?><net name="Model0" version="11"><layers><layer id="0" name="o" type="Result" version="opset1" /></layers><edges></edges></net>';

/** In the place of GenAI: it writes empty graphs. */
const scripted: GgufConverter = {
  writeIr: async (directory) => {
    for (const name of MADE) writeFileSync(join(directory, name), name.endsWith(".xml") ? XML : "");
  },
};

async function scene(ggufConverter: GgufConverter | undefined) {
  const folder = temporaryFolder();
  const hub = await startHub();
  hub.addRepository("test/gguf", { files: { "alphabet.Q8_0.gguf": alphabetFile() } });
  const opened = openTestLibrary(folder.path, { endpoint: hub.url, ...(ggufConverter && { ggufConverter }) });
  return {
    ...opened,
    root: folder.path,
    hub,
    pull: (keepIr: boolean) => Array.fromAsync(opened.library.pull({ name: "test/gguf", keepIr }, signal)),
    files: (name: string) => readdirSync(join(opened.models, name)).sort(),
    [Symbol.dispose]() {
      hub.stop();
      folder[Symbol.dispose]();
    },
  };
}

describe("a pull that keeps the IR", () => {
  test("has it in the manifest; facts and format stay those of the GGUF file", async () => {
    using it = await scene(scripted);
    await it.pull(false);
    expect(it.files("test/gguf")).toEqual(["alphabet.Q8_0.gguf", "npu-proxy.json"]);
    const plain = await it.store.get("test/gguf");

    const events = await it.pull(true);
    expect(events.at(-1)).toMatchObject({ type: "done", unchanged: false });
    expect(events.map(({ type }) => type)).toContain("converting");
    const manifest = readManifest(join(it.models, "test/gguf"));
    expect(manifest?.files.map(({ path }) => path)).toEqual(["alphabet.Q8_0.gguf", ...MADE]);
    const { size: _, digest: __, modified: ___, pulledAt: ____, fitness, ...kept } = await it.store.get("test/gguf");
    expect(plain).toMatchObject(kept);
    expect(kept.format).toBe("gguf");
    expect(fitness.map(({ reason }) => /kept as IR/.test(reason))).toEqual([false, true, true]);
    expect(plain.fitness.some(({ reason }) => /kept as IR/.test(reason))).toBe(false);
    expect(readdirSync(join(it.models, ".partial"))).toEqual([]);

    for (const keepIr of [true, false]) expect((await it.pull(keepIr)).at(-1)).toMatchObject({ unchanged: true });
  });

  test("verify --repair writes it again", async () => {
    using it = await scene(scripted);
    await it.pull(true);
    const xml = join(it.models, "test/gguf/openvino_model.xml");
    truncateSync(xml, 10);
    const reports = await Array.fromAsync(it.library.verify("test/gguf", true, signal));
    expect(reports).toMatchObject([{ broken: [{ file: "openvino_model.xml" }], repaired: true }]);
    expect(await Array.fromAsync(it.library.verify("test/gguf", false, signal))).toMatchObject([{ broken: [] }]);
  });

  test("one that fails puts no model in the store and keeps what was fetched", async () => {
    const refusal = new ProxyError("conversion_failed", "GenAI wrote nothing.");
    using it = await scene({ writeIr: () => Promise.reject(refusal) });
    await expect(it.pull(true)).rejects.toBe(refusal);
    expect(existsSync(join(it.models, "test"))).toBe(false);
    const { items } = await it.library.prune(true, signal);
    expect(items.map(({ what }) => what)).toEqual(["partial download of test/gguf"]);
    expect((await it.pull(false)).at(-1)).toMatchObject({ unchanged: false });
    using other = await scene(undefined);
    await expect(other.pull(true)).rejects.toMatchObject({ code: "conversion_failed" });
  });

  test("a half of it is a damaged model", async () => {
    using it = await scene(scripted);
    await it.pull(true);
    rmSync(join(it.models, "test/gguf/openvino_tokenizer.xml"));
    await expect(it.store.get("test/gguf")).rejects.toMatchObject({
      code: "model_invalid",
      message: expect.stringContaining("it has no openvino_tokenizer.xml"),
    });
  });
});

test("an import that keeps the IR", async () => {
  using it = await scene(scripted);
  const file = join(it.root, "alphabet.gguf");
  writeFileSync(file, alphabetFile());
  expect(await it.library.import(file, { keepIr: true }, signal)).toBe("alphabet:latest");
  expect(it.files("alphabet")).toEqual(["alphabet.gguf", "npu-proxy.json", ...MADE].sort());
  expect(readdirSync(it.root).sort()).not.toContain("openvino_model.xml");
});

test("GenAI writes the IR in a runner and serves the model from it, as from the GGUF file", async () => {
  using folder = temporaryFolder();
  const models = join(folder.path, "models");
  mkdirSync(models);
  writeFileSync(join(folder.path, "alphabet.gguf"), alphabetFile());
  const settings = { NPU_PROXY_DEVICE: "CPU", NPU_PROXY_MODEL_PATH: models };
  const command = [process.execPath, MAIN, "import", join(folder.path, "alphabet.gguf"), "--ir"];
  const imported = Bun.spawn(command, {
    env: testEnvironment(folder.path, settings),
    stdio: ["ignore", "pipe", "pipe"],
  });
  expect(await new Response(imported.stderr).text()).toBe("");
  expect(await imported.exited).toBe(0);
  expect(readdirSync(join(models, "alphabet")).sort()).toEqual(["alphabet.gguf", "npu-proxy.json", ...MADE].sort());

  await using daemon = await startDaemon(settings);
  const ask = async (path: string, body: object): Promise<unknown> => {
    const sent = { method: "POST", body: JSON.stringify({ model: "alphabet", stream: false, ...body }) };
    return await (await fetch(daemon.url + path, sent)).json();
  };
  expect(await ask("/api/show", {})).toMatchObject({ details: { format: "gguf", quantization_level: "Q8_0" } });
  expect(await ask("/api/generate", { prompt: "w" })).toMatchObject({ response: "xyz", done_reason: "stop" });
  const messages = [
    { role: "user", content: "a" },
    { role: "user", content: "b" },
  ];
  expect(await ask("/api/chat", { messages, options: { num_predict: 5 } })).toMatchObject({
    message: { role: "assistant", content: "cdefg" },
    prompt_eval_count: 2,
  });
}, 120_000);
