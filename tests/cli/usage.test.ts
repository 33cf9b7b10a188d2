import { expect, test } from "bun:test";
import manifest from "../../package.json" with { type: "json" };
import { Home } from "./command.ts";

test("--version prints the version of package.json", async () => {
  await using home = await Home.create();
  expect(await home.run(["--version"])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: "" });
});

test("--help names the commands and the exit codes, not the hidden one", async () => {
  await using home = await Home.create();
  const { code, stdout } = await home.run(["--help"]);
  expect(code).toBe(0);
  for (const command of [
    ...["serve", "run", "list|ls", "ps", "stop", "devices", "show"],
    ...["pull", "search", "create", "cp", "rm", "import", "verify", "prune", "rollback"],
  ])
    expect(stdout).toContain(`\n  ${command} `);
  expect(stdout).toContain("Exit codes:");
  expect(stdout).not.toContain("runner");
});

test("serve --help names every setting, with or without a flag", async () => {
  await using home = await Home.create();
  const { stdout } = await home.run(["serve", "--help"]);
  expect(stdout).toContain("--token-limit");
  expect(stdout).toContain("NPU_PROXY_MODEL_PATH");
});

test.each([80, 120])(
  "serve --help fits a terminal of %p columns, the environment's settings as well",
  async (columns) => {
    await using home = await Home.create();
    const screen = home.terminal(["serve", "--help"], {}, columns);
    expect(await screen.exited()).toBe(0);
    const lines = screen.text.split("\n");
    const settings = lines.slice(lines.indexOf("Settings of the environment alone:"), lines.indexOf("Exit codes:"));
    expect(Math.max(...settings.map((line) => line.length))).toBeLessThanOrEqual(columns);
    const words = settings.join(" ").replace(/ +/g, " ");
    expect(words).toContain("NPU_PROXY_SYSTEM_MODEL_PATH Read-only folder of models for all users; unset: /usr/share/");
    expect(words).toContain("NPU_PROXY_LOAD_TIMEOUT Seconds that loading a model may take. (default: 300)");
  },
);

test.each([
  [["servee"], "unknown command 'servee'\n(Did you mean serve?)"],
  [["--prot", "1"], "unknown option '--prot'\n(Did you mean --port?)"],
  [["serve", "now"], "too many arguments"],
  [["show"], "missing required argument 'model'"],
  [["run", "demo", "hi", "--seed", "x"], "Expected a whole number."],
  [["run", "demo", "hi", "--temperature", "warm"], "Expected a number."],
  [["--port", "x"], '--port is "x". Expected a whole number from 0 to 65535. (invalid_setting)'],
])("%j is refused with exit code 2", async (args, sentence) => {
  await using home = await Home.create();
  const { code, stdout, stderr } = await home.run(args);
  expect(stderr).toContain(sentence);
  expect(stderr).toStartWith("npu-proxy: ");
  expect(stdout).toBe("");
  expect(code).toBe(2);
});

test("a misspelt variable is refused by every command", async () => {
  await using home = await Home.create();
  const { code, stderr } = await home.run(["ps"], { env: { NPU_PROXY_PROT: "1" } });
  expect(stderr).toContain("Did you mean NPU_PROXY_PORT");
  expect(code).toBe(2);
});
