/** The release executable, alone in an empty folder: no checkout, no Python, no Node, no network. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon.ts";
import { temporaryFolder } from "../support/demo.ts";

const BUILD = join(import.meta.dir, "..", "..", "build", "build.ts");
const folder = temporaryFolder();
const executable = join(folder.path, "npu-proxy");

beforeAll(async () => {
  const out = join(folder.path, "dist");
  const build = Bun.spawn([process.execPath, BUILD, "--level", "12", "--out", out], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  expect(await build.exited).toBe(0);
  copyFileSync(join(out, "npu-proxy"), executable);
}, 300_000);
afterAll(() => folder[Symbol.dispose]());

/** Runs it with nothing of this machine but the base system. */
async function run(home: string, args: string[], settings: Record<string, string> = {}) {
  const child = Bun.spawn([executable, ...args], {
    cwd: folder.path,
    env: { HOME: home, PATH: "/usr/bin:/bin", ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}

const newHome = (name: string): string => {
  const home = join(folder.path, name);
  mkdirSync(home);
  return home;
};
const runtimes = (home: string): string[] => readdirSync(join(home, ".cache", "npu-proxy", "runtime"));

describe("executable", () => {
  test("at most 160 MB, and tells its version", async () => {
    // At the level of a release it packs 5 MB smaller: 160 MB then.
    expect(statSync(executable).size).toBeLessThanOrEqual(165e6);
    expect((await run(newHome("version"), ["--version"])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test("a .env and a bunfig.toml beside it change nothing", async () => {
    const home = newHome("dotenv");
    await Bun.write(join(folder.path, ".env"), "NPU_PROXY_PORT=nonsense\n");
    await Bun.write(join(folder.path, "bunfig.toml"), 'preload = ["./missing.ts"]\n');
    expect(await run(home, ["list"])).toMatchObject({ code: 0, out: expect.stringContaining("demo:latest") });
    rmSync(join(folder.path, ".env"));
    rmSync(join(folder.path, "bunfig.toml"));
  }, 60_000);

  test("two first starts at once both answer, and leave one runtime", async () => {
    const home = newHome("twice");
    const question = ["run", "demo", "What is the capital of France?"];
    const answers = await Promise.all([run(home, question), run(home, question)]);
    for (const answer of answers) expect(answer).toMatchObject({ code: 0, out: expect.stringContaining("Paris") });
    expect(runtimes(home)).toHaveLength(1);
  }, 120_000);

  test("a torn runtime is repaired", async () => {
    const home = newHome("torn");
    expect((await run(home, ["devices"])).code).toBe(0);
    const [key = ""] = runtimes(home);
    truncateSync(join(home, ".cache", "npu-proxy", "runtime", key, "libopenvino.so.2640"), 1000);
    expect(await run(home, ["devices"])).toMatchObject({ code: 0, out: expect.stringContaining("CPU") });
    expect(runtimes(home)).toEqual([key]);
  }, 120_000);

  test("a cache that cannot be used is said in words, with what to do", async () => {
    const home = newHome("blocked");
    await Bun.write(join(home, "file"), "");
    const { code, err } = await run(home, ["devices"], { NPU_PROXY_CACHE_DIR: join(home, "file", "cache") });
    expect(code).not.toBe(0);
    expect(err).toContain("NPU_PROXY_CACHE_DIR");
    expect(existsSync(join(home, ".cache"))).toBe(false);
  }, 60_000);

  test("serves the demo over HTTP", async () => {
    await using daemon = await startDaemon({ NPU_PROXY_RUNTIME_DIR: "", NPU_PROXY_DEVICE: "CPU" }, [executable]);
    const response = await fetch(`${daemon.url}/api/generate`, {
      method: "POST",
      body: JSON.stringify({ model: "demo", prompt: "What is the capital of France?", stream: false }),
    });
    expect(await response.json()).toMatchObject({ response: expect.stringContaining("Paris"), done: true });
  }, 60_000);
});
