/** The model commands as a user runs them: real processes, a real store, the test hub. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, existsSync, readdirSync, truncateSync } from "node:fs";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DEMO } from "../support/demo.ts";
import { demoRepository, startHub, type TestHub } from "../support/hub.ts";
import { type Finished, Home, until } from "./command.ts";

setDefaultTimeout(60_000);

const RUNTIME = process.env["NPU_PROXY_RUNTIME_DIR"] ?? "";

/** A home, a hub with test/demo, and how to run a command between them without a server. */
async function place(): Promise<AsyncDisposable & { home: Home; hub: TestHub; run: Run; env: Record<string, string> }> {
  const home = await Home.create();
  const hub = await startHub();
  hub.addRepository("test/demo", demoRepository());
  const env = {
    HF_ENDPOINT: hub.url,
    NPU_PROXY_PORT: "0",
    NPU_PROXY_DEVICE: "CPU",
    NPU_PROXY_RUNTIME_DIR: RUNTIME,
    NPU_PROXY_SYSTEM_MODEL_PATH: join(home.directory, "none"),
  };
  return {
    home,
    hub,
    env,
    run: (...args) => home.run(args, { env }),
    async [Symbol.asyncDispose]() {
      hub.stop();
      await home[Symbol.asyncDispose]();
    },
  };
}

type Run = (...args: string[]) => Promise<Finished>;

function models(home: Home): string {
  return join(home.directory, ".cache", "npu-proxy", "models");
}

test("pull, list, show, run, cp, verify, rm: a model's life without a server", async () => {
  await using there = await place();
  const { run, home } = there;
  const pulled = await run("pull", "test/demo");
  expect(pulled.stderr).toBe("");
  expect(pulled.stdout).toMatch(/^openvino_model\.bin: done, \d/m);
  expect(pulled.stdout).toContain("\ntest/demo:latest is here.\n");
  expect(pulled.code).toBe(0);

  expect((await run("list")).stdout).toMatch(/^test\/demo:latest +[0-9a-f]{12} +[\d.]+ MB +/m);
  const { stdout: shown } = await run("show", "test/demo");
  expect(shown).toMatch(/^ {2}repository +test\/demo$/m);
  expect(shown).toMatch(/^ {2}CPU yes/m);
  const answer = await run("run", "test/demo", "What is the capital of France?", "--temperature", "0");
  expect([answer.code, answer.stderr]).toEqual([0, ""]);
  expect(answer.stdout).toContain("Paris");

  expect((await run("cp", "test/demo", "mine")).stdout).toBe("Copied test/demo to mine.\n");
  expect((await run("verify")).stdout).toContain("mine:latest: whole\n");
  expect((await run("rm", "test/demo")).stdout).toBe("Removed test/demo.\n");
  expect((await run("run", "mine", "What is the capital of France?", "--temperature", "0")).stdout).toBe(answer.stdout);
  expect((await run("show", "mine")).code).toBe(0);
  expect((await run("rm", "mine", "demo")).code).not.toBe(0); // the one that came with the program stays
  expect((await run("list")).stdout).not.toContain("mine");
  expect(readdirSync(models(home)).filter((name) => !name.startsWith("."))).toEqual([]);
});

test("a pull that Ctrl-C stopped goes on from there", async () => {
  await using there = await place();
  const { home, hub, env, run } = there;
  hub.fault({ path: "openvino_model.bin", times: 1 }, { slow: 400_000 });
  const screen = home.terminal(["pull", "test/demo"], env, 80);
  await screen.shows(/openvino_model\.bin[^%]* [1-9]\d?%/);
  screen.type("\u0003");
  expect(await screen.exited()).toBe(130);
  expect(screen.text).toContain("the same command goes on from there");
  const before = hub.requests.length;
  expect((await run("pull", "test/demo")).code).toBe(0);
  const again = hub.requests.slice(before).filter(({ range }) => range !== undefined && range !== "bytes=0-0");
  expect(again.map(({ range }) => range)).toContainEqual(expect.stringMatching(/^bytes=[1-9]\d*-$/));
  expect((await run("verify", "test/demo")).stdout).toBe("test/demo:latest: whole\n");
});

test("a model that is nowhere is exit code 3; without the hub search finds the catalogue and says so", async () => {
  await using there = await place();
  const { run, hub } = there;
  const missing = await run("pull", "test/nothing");
  expect([missing.code, missing.stdout.includes("is here")]).toEqual([3, false]);
  expect(missing.stderr).toContain("(model_not_found)");
  hub.stop();
  const offline = await run("search", "tinyllama");
  expect(offline.code).toBe(0);
  expect(offline.stdout).toMatch(/^tinyllama\S* +llm /m);
  expect(offline.stderr).toMatch(/catalogue/);
  const unknown = await run("show", "test/demo");
  expect(unknown.code).toBe(1);
  expect(unknown.stderr).toMatch(/^npu-proxy: The hub at .*\(hub_unreachable\)\n/); // once, and no line of a log
});

test("search finds what the hub has, and what is pulled is marked", async () => {
  await using there = await place();
  const { run } = there;
  expect((await run("search", "demo")).stdout).toMatch(/^test\/demo +llm /m);
  expect((await run("pull", "test/demo")).code).toBe(0);
  expect((await run("search", "demo")).stdout).toMatch(/^test\/demo .*\n {2}pulled/m);
});

test("show describes a model that was not pulled", async () => {
  await using there = await place();
  const { code, stdout } = await there.run("show", "test/demo");
  expect(stdout).toStartWith("Not pulled; ");
  expect(stdout).toMatch(/^ {2}architecture +llama/m);
  expect(code).toBe(0);
  expect(existsSync(models(there.home))).toBeFalse();
});

test("verify finds what is broken, and --repair pulls that again", async () => {
  await using there = await place();
  const { run, home, hub } = there;
  await run("pull", "test/demo");
  await run("import", DEMO, "--name", "mine");
  appendFileSync(join(models(home), "mine", "config.json"), " ");
  const imported = await run("verify", "mine", "--repair");
  expect(imported.code).toBe(1);
  expect(imported.stdout).toContain("Nothing on the hub is the same as what is still broken");
  await run("rm", "mine");
  truncateSync(join(models(home), "test", "demo", "openvino_tokenizer.bin"), 5);
  const found = await run("verify", "test/demo");
  expect(found.stdout).toMatch(/^test\/demo:latest: broken\n {2}openvino_tokenizer\.bin: 5 of \d+ bytes\n/);
  expect(found.code).toBe(1);
  const before = hub.bytesSent;
  const repaired = await run("verify", "test/demo", "--repair");
  expect(repaired.stdout).toContain("test/demo:latest: repaired\n");
  expect(repaired.code).toBe(0);
  expect(hub.bytesSent - before).toBeLessThan(Bun.file(join(DEMO, "openvino_model.bin")).size);
  expect((await run("verify")).stdout).toContain("test/demo:latest: whole\n");
});

test("import takes a folder in, create makes a model of it, in this process", async () => {
  await using there = await place();
  const { run, home } = there;
  const folder = join(home.directory, "downloads", "my-demo");
  await mkdir(folder, { recursive: true });
  await cp(DEMO, folder, { recursive: true });
  expect((await run("import", folder)).stdout).toBe("my-demo:latest is in the store.\n");
  expect((await run("import", "downloads/my-demo", "--name", "other")).stdout).toBe("other:latest is in the store.\n");
  await writeFile(join(home.directory, "downloads", "Modelfile"), "FROM ./my-demo\nPARAMETER temperature 0\n");
  const made = await run("create", "third", "-f", "downloads/Modelfile");
  expect([made.code, made.stderr]).toEqual([0, ""]);
  expect(made.stdout).toEndWith("third is made.\n");
  expect((await run("run", "third", "What is the capital of France?")).stdout).toContain("Paris");
  expect((await run("list")).stdout.match(/^\S+/gm)?.sort()).toEqual([
    "NAME",
    "demo:latest",
    "my-demo:latest",
    "other:latest",
    "third:latest",
  ]);
  expect((await run("import", join(home.directory, "nothing"))).code).toBe(2);
});

test("prune says what it would free, asks at a terminal, and needs --yes without one", async () => {
  await using there = await place();
  const { run, home, env } = there;
  expect((await run("prune")).stdout).toBe("There is nothing to remove.\n");
  await run("pull", "test/demo");
  const partial = join(models(home), ".partial", "a".repeat(32));
  await mkdir(partial, { recursive: true });
  await writeFile(join(partial, "x.part"), "0".repeat(2000));
  const blobs = join(models(home), ".blobs");
  await mkdir(blobs);
  await writeFile(join(blobs, `sha256-${"a".repeat(64)}`), "0".repeat(4000));
  const refused = await run("prune");
  expect(refused.stdout).toMatch(
    /2\.0 kB {2}partial download.*\n +2\.0 kB {2}in all\nKept:\n +4\.0 kB {2}blob \(uploaded within the last hour: a model may be made of it yet\)\n$/,
  );
  expect(refused.stderr).toContain("prune needs --yes");
  expect(refused.code).toBe(2);

  const asked = home.terminal(["prune"], env);
  await asked.shows(/Remove this\? \[y\/N\] /);
  asked.type("n\r");
  expect(await asked.exited()).toBe(0);
  expect(asked.text).toContain("Nothing was removed.");
  expect(existsSync(partial)).toBeTrue();

  const agreed = home.terminal(["prune"], env);
  await agreed.shows(/Remove this\? \[y\/N\] /);
  agreed.type("y\r");
  expect(await agreed.exited()).toBe(0);
  expect(agreed.text).toContain("Freed 2.0 kB.");
  expect(existsSync(partial)).toBeFalse();
  await mkdir(partial, { recursive: true });
  await writeFile(join(partial, "x.part"), "0".repeat(3000));
  expect((await run("prune", "--yes")).stdout).toEndWith("Freed 3.0 kB.\n");
  expect(existsSync(partial)).toBeFalse();
  expect((await run("verify", "test/demo")).code).toBe(0);
});

test("rollback goes back to the revision before the last pull", async () => {
  await using there = await place();
  const { run, hub } = there;
  await run("pull", "test/demo");
  expect((await run("rollback", "test/demo")).code).toBe(2);
  const { stdout: before } = await run("show", "test/demo", "--json");
  const repository = demoRepository();
  const newer = { ...repository.files, "special_tokens_map.json": new TextEncoder().encode("{}\n") };
  hub.addRepository("test/demo", { ...repository, files: newer });
  expect((await run("pull", "test/demo")).code).toBe(0);
  const { commit } = (JSON.parse(before) as { source: { commit: string } }).source;
  expect((await run("rollback", "test/demo")).stdout).toBe(
    `test/demo:latest is back at commit ${commit.slice(0, 12)}.\n`,
  );
  expect(JSON.parse((await run("show", "test/demo", "--json")).stdout)).toMatchObject({ source: { commit } });
});

test("a running server pulls, and makes a model of a folder that is sent to it", async () => {
  await using there = await place();
  const { home, env, hub } = there;
  const server = home.start(["serve", "--port", "0"], env);
  const url = /listens on (http:\S+)/.exec(await until(server.stdout, /listens on http:\S+\s/))?.[1] ?? "";
  const run = (...args: string[]): Promise<Finished> => home.run([...args, "--port", new URL(url).port], { env });

  expect((await run("pull", "test/demo")).stdout).toEndWith("test/demo:latest is here.\n");
  expect(await run("pull", "test/demo")).toEqual({
    code: 0,
    stdout: expect.stringMatching(/test\/demo:latest was here already, and is the newest\.\n$/),
    stderr: "",
  });
  const missing = await run("pull", "tinylama");
  expect(missing.stderr).toMatch(/^npu-proxy: model .*tinyllama/);
  expect(missing.code).toBe(3);

  const folder = join(home.directory, "downloads", "my-demo");
  await mkdir(folder, { recursive: true });
  await cp(DEMO, folder, { recursive: true });
  await writeFile(join(home.directory, "Modelfile"), "FROM ./downloads/my-demo\nPARAMETER temperature 0\n");
  const made = await run("create", "sent");
  expect([made.code, made.stderr]).toEqual([0, ""]);
  expect(made.stdout).toMatch(/sending openvino_model\.bin, \d\.\d MB\n/);
  expect(made.stdout).toEndWith("sent is made.\n");
  expect((await run("create", "again")).stdout).not.toContain("sending"); // it has them all
  expect((await run("run", "sent", "What is the capital of France?")).stdout).toContain("Paris");

  // The store's own commands beside it: what they do is there at once.
  expect((await there.run("import", folder)).code).toBe(0);
  expect((await run("list")).stdout).toContain("my-demo:latest");
  expect((await run("rm", "my-demo", "sent", "again")).stdout).toBe(
    "Removed my-demo.\nRemoved sent.\nRemoved again.\n",
  );
  expect(hub.requests.length).toBeGreaterThan(0);
});
