import { expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/daemon.ts";
import { DEMO, temporaryFolder } from "../support/demo.ts";
import { demoRepository, startHub } from "../support/hub.ts";
import { startPull } from "../support/pull-process.ts";

test("two processes that pull one model at once: one download's worth of bytes, and both have the model", async () => {
  using folder = temporaryFolder();
  using hub = await startHub();
  hub.addRepository("test/demo", demoRepository());
  hub.fault({ path: "openvino_model.bin", times: 1 }, { slow: 4_000_000 });
  const pulls = await Promise.all([1, 2].map(() => startPull(hub.url, folder.path, "test/demo")));
  for (const pull of pulls) pull.go();
  // Both have asked for the list of files before the slow file has come: neither finds the model done.
  await until(() => hub.requests.filter(({ path }) => path.includes("/tree/")).length >= 2);
  const answers = await Promise.all(pulls.map(({ answer }) => answer));
  expect(await Promise.all(pulls.map(({ errors }) => errors))).toEqual(["", ""]);
  expect(answers.map((answer) => answer?.unchanged).sort()).toEqual([false, true]);
  const { files } = demoRepository();
  const sizes = Object.keys(files).map((path) => statSync(join(DEMO, path)).size);
  expect(hub.bytesSent).toBe(sizes.reduce((sum, size) => sum + size, 0));
  for (const path of Object.keys(files))
    expect(readFileSync(join(folder.path, "test/demo", path)).equals(readFileSync(join(DEMO, path)))).toBe(true);
  expect(readdirSync(join(folder.path, ".partial"))).toEqual([]);
}, 60_000);
