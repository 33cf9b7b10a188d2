import { expect, test } from "bun:test";
import { join } from "node:path";
import { type Child, Home, until } from "./command.ts";

const SCRIPTED = join(import.meta.dir, "scripted-serve.ts");
const FREE = { NPU_PROXY_PORT: "0" };

/** The address that serve prints, with the rest of what it greets with. */
async function greeting(child: Child): Promise<{ url: string; text: string }> {
  const text = await until(child.stdout, /curl .*\n/);
  return { url: /listens on (http:\S+)/.exec(text)?.[1] ?? "", text };
}

test("flags without a command serve; the printed address is the real one, with commands to try", async () => {
  await using home = await Home.create();
  const child = home.start(["--port", "0"]);
  const { url, text } = await greeting(child);
  const { port } = new URL(url);
  expect(Number(port)).toBeGreaterThan(0);
  expect(text).toContain(`src/main.ts run --port ${port} demo "What is the capital of France?"`);
  expect(text).toContain(`curl ${url}/api/chat -d '{"model":"demo"`);
  expect(await (await fetch(`${url}/api/version`, { proxy: false })).json()).toEqual({ version: "0.33.0" });
  expect((await home.run(["ps", "--json", "--port", port])).code).toBe(0);
});

test("the command to try finds a server that listens elsewhere than by default", async () => {
  await using home = await Home.create();
  const { url, text } = await greeting(home.start(["--host", "127.0.0.2", "--port", "0"]));
  const [, flags = ""] = /main\.ts run (.+) demo /.exec(text) ?? [];
  expect(flags.split(" ")).toEqual(["--host", "127.0.0.2", "--port", new URL(url).port]);
  expect((await home.run(["ps", ...flags.split(" ")])).stdout).toStartWith("NAME");
});

test.each(["SIGTERM", "SIGINT"] as const)("%s lets a running answer finish and ends with 0", async (signal) => {
  await using home = await Home.create();
  const child = home.start([], FREE, SCRIPTED);
  const { url } = await greeting(child);
  const response = await fetch(`${url}/slow`, { proxy: false });
  if (!response.body) throw new Error("no body");
  await until(response.body, /begun/);
  child.kill(signal);
  await until(child.stderr, /stopping/);
  await refused(url);
  await child.stdin.end();
  expect(await until(response.body, /finished/)).toBe("finished");
  expect(await child.exited).toBe(0);
});

test("the shutdown timeout ends what does not finish, still with 0", async () => {
  await using home = await Home.create();
  const child = home.start([], { ...FREE, NPU_PROXY_SHUTDOWN_TIMEOUT: "0.05" }, SCRIPTED);
  const { url } = await greeting(child);
  const response = await fetch(`${url}/slow`, { proxy: false });
  if (!response.body) throw new Error("no body");
  await until(response.body, /begun/);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 1],
] as const)("a second %s ends at once with %d", async (signal, code) => {
  await using home = await Home.create();
  const child = home.start([], FREE, SCRIPTED);
  const { url } = await greeting(child);
  const response = await fetch(`${url}/slow`, { proxy: false });
  if (!response.body) throw new Error("no body");
  await until(response.body, /begun/);
  child.kill("SIGTERM");
  await until(child.stderr, /stopping/);
  child.kill(signal);
  expect(await child.exited).toBe(code);
});

test("a port in use is told in a sentence, with exit code 1", async () => {
  await using home = await Home.create();
  const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  try {
    const { code, stdout, stderr } = await home.run(["serve", "--port", String(other.port)]);
    expect(stderr).toMatch(/^npu-proxy: .*\(address_in_use\)/);
    expect(stdout).toBe("");
    expect(code).toBe(1);
  } finally {
    await other.stop(true);
  }
});

test("another host than loopback gets a warning on stderr, whatever the log level", async () => {
  await using home = await Home.create();
  const open = home.start(["--port", "0", "--host", "0.0.0.0", "--log-level", "error"]);
  expect(await until(open.stderr, /WARNING[\s\S]*\n\n/)).toContain("listens on 0.0.0.0");
  const local = home.start(["--port", "0", "--log-level", "error", "--no-state"]);
  await greeting(local);
  local.kill("SIGTERM");
  expect(await local.exited).toBe(0);
  expect(await new Response(local.stderr).text()).toBe("");
});

test("SIGTERM while a model is loaded ahead ends it with 0; until then it answers and is not ready", async () => {
  await using home = await Home.create();
  const child = home.start([], { ...FREE, NPU_PROXY_PRELOAD: "slow", NPU_PROXY_REQUIRE: "on" }, SCRIPTED);
  const { url } = await greeting(child);
  expect(await (await fetch(`${url}/ready`, { proxy: false })).text()).toBe("false");
  const log = until(child.stderr, /stopped/);
  await child.stdin.end();
  child.kill("SIGTERM");
  expect(await log).toMatch(/warming up models=slow\n.*stopping.*\n.*stopped/);
  expect(await child.exited).toBe(0);
});

test("a required model that cannot be loaded stops the server: exit code 1, and why", async () => {
  await using home = await Home.create();
  const preload = { ...FREE, NPU_PROXY_PRELOAD: "broken", NPU_PROXY_LOG_LEVEL: "error" };
  const refused = home.start([], { ...preload, NPU_PROXY_REQUIRE: "on" }, SCRIPTED);
  expect(await refused.exited).toBe(1);
  expect(await new Response(refused.stderr).text()).toBe(
    "npu-proxy: broken needs 9 GiB, and 1 GiB is available. (insufficient_memory)\n",
  );
  const { url } = await greeting(home.start([], preload, SCRIPTED));
  expect(await (await fetch(`${url}/ready`, { proxy: false })).text()).toBe("true");
});

test("a second server on one state folder says so and stops; with another folder, or without state, it serves", async () => {
  await using home = await Home.create();
  const first = home.start(["--port", "0"]);
  await greeting(first);
  const { code, stdout, stderr } = await home.run(["serve", "--port", "0"]);
  expect(stderr).toMatch(/^npu-proxy: .*NPU_PROXY_STATE_DIR.*--no-state.* \(state_locked\)\n$/);
  expect(stderr).not.toContain(home.directory);
  expect(stdout).toBe("");
  expect(code).toBe(1);
  await greeting(home.start(["--port", "0", "--no-state"]));
  await greeting(home.start(["--port", "0"], { NPU_PROXY_STATE_DIR: join(home.directory, "other") }));
  expect(first.exitCode).toBeNull();
});

test("after kill -9 the next server has the state folder at once", async () => {
  await using home = await Home.create();
  const first = home.start(["--port", "0"]);
  await greeting(first);
  first.kill("SIGKILL");
  await first.exited;
  await greeting(home.start(["--port", "0"]));
});

test("commands that serve themselves leave the state folder to the server", async () => {
  await using home = await Home.create();
  await greeting(home.start(["--port", "0"]));
  const { code, stderr } = await home.run(["list"], { env: FREE });
  expect(stderr).toBe("");
  expect(code).toBe(0);
});

test("a stdout that nobody reads does not stop the server", async () => {
  await using home = await Home.create();
  const child = home.start([], FREE);
  await child.stdout.cancel();
  const url = /url=(http:\S+)/.exec(await until(child.stderr, /listening url=\S+ /))?.[1] ?? "";
  expect((await fetch(`${url}/api/version`, { proxy: false })).status).toBe(200);
});

test("without a server a command serves itself, no port opened", async () => {
  await using home = await Home.create();
  const { code, stdout, stderr } = await home.run(["list"], { env: FREE });
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^NAME +ID +SIZE +MODIFIED\ndemo:latest /);
  expect(code).toBe(0);
  expect((await home.run(["show", "nope"], { env: FREE })).code).toBe(3);
});

test("a failure keeps its own code on its way through the API", async () => {
  await using home = await Home.create();
  const nowhere = { ...FREE, NPU_PROXY_RUNTIME_DIR: join(import.meta.dir, "missing") };
  const { code, stderr } = await home.run(["run", "demo", "hi"], { env: nowhere });
  expect(stderr).toMatch(/^npu-proxy: .* \(runtime_missing\)$/m);
  expect(code).toBe(1);
});

/** Resolves when nobody listens there any more. */
async function refused(url: string): Promise<void> {
  for (;;) {
    const answered = await fetch(url, { proxy: false, keepalive: false }).then(
      () => true,
      () => false,
    );
    if (!answered) return;
    await Bun.sleep(5);
  }
}
