/** `npu-proxy cache` and what a pull compiles, as a user runs them: real processes, a real folder, the emulated NPU. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { demoRepository, startHub, type TestHub } from "../support/hub.ts";
import { type Finished, Home } from "./command.ts";

setDefaultTimeout(120_000);

const HOUR = 3_600_000;
const answer = v.object({
  models: v.array(v.looseObject({ model: v.nullable(v.string()), size: v.number(), in_use: v.boolean() })),
  size: v.number(),
  limit: v.number(),
  removed: v.array(v.object({ key: v.string(), model: v.nullable(v.string()), size: v.number(), why: v.string() })),
});

const ORIGIN = {
  digest: "c".repeat(64),
  device: "NPU",
  architecture: "4000",
  driver: "1.2.3",
  emulated: false,
  maxPromptTokens: 1024,
  contextLength: 1279,
  openvino: "2026.4.0",
};

function compiledIn(home: Home): string {
  return join(home.directory, ".cache", "npu-proxy", "compiled");
}

/** A compiled model, last used some hours ago. */
function keep(home: Home, key: string, origin: object, bytes: number, hours: number): void {
  const folder = join(compiledIn(home), key);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "1.blob"), new Uint8Array(bytes));
  const note = join(folder, "entry.json");
  writeFileSync(note, JSON.stringify({ origin, created: "2026-01-01T00:00:00.000Z", blobs: {} }));
  const then = (Date.now() - hours * HOUR) / 1000;
  utimesSync(note, then, then);
}

function env(more: Record<string, string> = {}): Record<string, string> {
  return {
    NPU_PROXY_PORT: "0",
    NPU_PROXY_NPU_EMULATION: "cpu",
    NPU_PROXY_MAX_PROMPT_LEN: "256",
    NPU_PROXY_RUNTIME_DIR: process.env["NPU_PROXY_RUNTIME_DIR"] ?? "",
    ...more,
  };
}

async function listing(home: Home, more: Record<string, string> = {}, ...flags: string[]) {
  const { code, stdout, stderr } = await home.run(["cache", "--json", ...flags], { env: env(more) });
  expect([code, stderr]).toEqual([0, ""]);
  return v.parse(answer, JSON.parse(stdout));
}

describe("the folder", () => {
  test("that is not there holds nothing", async () => {
    await using home = await Home.create();
    const { stdout, stderr, code } = await home.run(["cache"], { env: env() });
    expect([stdout, stderr, code]).toEqual(["0 B in all, of 21 GB at most (NPU_PROXY_COMPILE_CACHE_SIZE).\n", "", 0]);
    expect(existsSync(compiledIn(home))).toBe(false);
    const off = await home.run(["cache"], { env: env({ NPU_PROXY_COMPILE_CACHE_SIZE: "0" }) });
    expect(off.stdout).toBe("0 B in all, nothing more is kept (NPU_PROXY_COMPILE_CACHE_SIZE).\n");
  });

  test("is listed by last use, with whose each is", async () => {
    await using home = await Home.create();
    keep(home, "1", { ...ORIGIN, model: "old:latest" }, 2_000_000, 50);
    keep(home, "2", { ...ORIGIN, model: "new:latest", device: "GPU", driver: "" }, 1_000_000, 3);
    keep(home, "3", { ...ORIGIN, model: "now:latest", emulated: true, driver: "" }, 500_000, 0);
    writeFileSync(join(compiledIn(home), "flat.blob"), new Uint8Array(100));
    utimesSync(join(compiledIn(home), "flat.blob"), 0, 0);
    const { stdout, code } = await home.run(["cache"], { env: env() });
    expect(stdout.replace(/\d+ years ago/, "N years ago")).toBe(`MODEL        DEVICE   DRIVER     SIZE     LAST USED
now:latest   NPU      emulated   500 kB   in use
new:latest   GPU      -          1.0 MB   3 hours ago
old:latest   NPU      1.2.3      2.0 MB   2 days ago
(unknown)    -        -          100 B    N years ago
3.5 MB in all, of 21 GB at most (NPU_PROXY_COMPILE_CACHE_SIZE).
`);
    expect(code).toBe(0);
    const json = await listing(home);
    expect(json.size).toBe(3_500_100);
    expect(json.limit).toBe(20_480 * 2 ** 20);
    expect(JSON.stringify(json)).not.toContain(home.directory);
  });

  test("loses with --prune what no load needs, and what the bound does not hold", async () => {
    await using home = await Home.create();
    const models = join(home.directory, "models");
    const more = { NPU_PROXY_MODEL_PATH: models, NPU_PROXY_COMPILE_CACHE_SIZE: "4" };
    const digest = await demoDigest(home, more);
    const own = { ...ORIGIN, model: "demo:latest", digest };
    keep(home, "1", { ...own, driver: "1" }, 3_000_000, 9);
    keep(home, "2", { ...own, driver: "2" }, 3_000_000, 8);
    keep(home, "3", { ...own, openvino: "2025.1.0" }, 10, 1);
    keep(home, "4", { ...ORIGIN, model: "gone:latest" }, 10, 1);
    keep(home, "5", { ...ORIGIN, model: "gone-in-use:latest" }, 10, 0);
    writeFileSync(join(compiledIn(home), "flat.blob"), "blob");
    const { stdout, code } = await home.run(["cache", "--prune"], { env: env(more) });
    expect(code).toBe(0);
    expect(
      stdout
        .split("\n")
        .filter((line) => line.startsWith("Removed"))
        .sort(),
    ).toEqual([
      "Removed (unknown) (4 B): left by an earlier version.",
      "Removed demo:latest (10 B): compiled by OpenVINO 2025.1.0.",
      "Removed demo:latest (3.0 MB): unused for longest.",
      "Removed gone:latest (10 B): its model is gone, or has changed.",
    ]);
    expect(readdirSync(compiledIn(home)).sort()).toEqual(["2", "5"]);
    expect((await home.run(["cache", "--prune"], { env: env(more) })).stdout).toMatch(
      /^There is nothing to remove\.$/m,
    );
  });

  test("is empty after --clear", async () => {
    await using home = await Home.create();
    keep(home, "1", { ...ORIGIN, model: "a:latest" }, 1000, 9);
    keep(home, "2", { ...ORIGIN, model: "b:latest" }, 1000, 0);
    const { models, removed } = await listing(home, {}, "--clear");
    expect(models).toEqual([]);
    expect(removed.map(({ model }) => model).sort()).toEqual(["a:latest", "b:latest"]);
    expect(readdirSync(compiledIn(home))).toEqual([]);
    const both = await home.run(["cache", "--clear", "--prune"], { env: env() });
    expect(both.code).toBe(2);
    expect(both.stderr).toContain("cannot be used with");
  });

  async function demoDigest(home: Home, more: Record<string, string>): Promise<string> {
    const { stdout } = await home.run(["list", "--json"], { env: env(more) });
    const list = v.parse(
      v.object({ models: v.array(v.object({ name: v.string(), digest: v.string() })) }),
      JSON.parse(stdout),
    );
    const { digest = "" } = list.models.find(({ name }) => name === "demo:latest") ?? {};
    return digest.replace(/^sha256:/, "");
  }
});

describe("a pull without a server", () => {
  let hub: TestHub;
  beforeAll(async () => {
    hub = await startHub();
    hub.addRepository("test/demo", demoRepository());
  });
  afterAll(() => hub.stop());

  function pull(home: Home, flags: readonly string[], more: Record<string, string> = {}): Promise<Finished> {
    return home.run(["pull", "test/demo", ...flags], { env: env({ HF_ENDPOINT: hub.url, ...more }) });
  }

  test("compiles for the NPU, so that the first request need not", async () => {
    await using home = await Home.create();
    const { code, stdout, stderr } = await pull(home, []);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/\ntest\/demo:latest is here\.\n(.*\n)*compiling for NPU\nCompiled for NPU in \d+ s\.\n$/);
    const { models } = await listing(home);
    expect(models.map(({ model, device, in_use }) => [model, device, in_use])).toEqual([
      ["test/demo:latest", "NPU", false],
    ]);
    const again = await pull(home, []);
    expect(again.stdout).not.toContain("ompil"); // nothing new was pulled
  });

  test("compiles nothing with --no-warm, for a CPU, and where nothing is kept of a JSON stream but its lines", async () => {
    await using home = await Home.create();
    expect((await pull(home, ["--no-warm"])).stdout).toEndWith("test/demo:latest is here.\n");
    expect(existsSync(compiledIn(home))).toBe(false);
    await home.run(["rm", "test/demo"], { env: env() });
    expect((await pull(home, [], { NPU_PROXY_DEVICE: "CPU" })).stdout).not.toContain("ompil");
    expect(existsSync(compiledIn(home))).toBe(false);
    await home.run(["rm", "test/demo"], { env: env() });
    const { stdout } = await pull(home, ["--json"]);
    expect(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({ status: "success" });
    expect((await listing(home)).models).toHaveLength(1);
  });

  test("is over at Ctrl-C while it compiles; the model is here", async () => {
    await using home = await Home.create();
    const settings = env({ HF_ENDPOINT: hub.url, NPU_PROXY_MAX_PROMPT_LEN: "4096" });
    const screen = home.terminal(["pull", "test/demo"], settings, 100);
    await screen.shows(/compiling for NPU: 0 s/);
    screen.type("\u0003");
    await screen.shows(/Stopped\. The model is here; its first request compiles it\./);
    expect(await screen.exited()).toBe(130);
    expect((await home.run(["list"], { env: env() })).stdout).toContain("test/demo:latest");
  });

  test("that cannot be compiled is here all the same", async () => {
    await using home = await Home.create();
    const { code, stdout, stderr } = await pull(home, [], { NPU_PROXY_LOAD_TIMEOUT: "0.05" });
    expect(stdout).toContain("test/demo:latest is here.\n");
    expect(stderr).toMatch(/^It was not compiled: Loading 'test\/demo:latest' on NPU took over 0\.05 s\./m);
    expect(code).toBe(0);
  });
});
