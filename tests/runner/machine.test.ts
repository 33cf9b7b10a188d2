import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { groupMemory, oomKills } from "../../src/runner/control-group.ts";
import { createMachine } from "../../src/runner/machine.ts";
import { until } from "../support/daemon.ts";
import { temporaryFolder } from "../support/demo.ts";

const GIB = 2 ** 30;
const KIB_OF_GIB = GIB / 1024;
const MEMINFO = `MemTotal:       ${32 * KIB_OF_GIB} kB\nMemFree: 5 kB\nMemAvailable:   ${20 * KIB_OF_GIB} kB\n`;

/** A root folder with these files in the places of the kernel's. */
function root(files: Readonly<Record<string, string | number>>): Disposable & { readonly path: string } {
  const folder = temporaryFolder();
  for (const [file, content] of Object.entries(files)) put(folder.path, file, content);
  return folder;
}

function put(folder: string, file: string, content: string | number): void {
  const path = join(folder, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${content}\n`);
}

const memory = (folder: string, memoryLimitBytes = 0) => createMachine({ memoryLimitBytes, root: folder }).memory();

test("without a control group: what the machine has", () => {
  using folder = root({ "proc/meminfo": MEMINFO });
  expect(memory(folder.path)).toEqual({ availableBytes: 20 * GIB, totalBytes: 32 * GIB });
});

test("version 2: the tightest of the groups around the process; droppable pages are free; high counts as a limit", () => {
  const slice = "sys/fs/cgroup/system.slice";
  using folder = root({
    "proc/meminfo": MEMINFO,
    "proc/self/cgroup": "0::/system.slice/npu-proxy.service",
    [`${slice}/npu-proxy.service/memory.max`]: "max",
    [`${slice}/npu-proxy.service/memory.high`]: 10 * GIB,
    [`${slice}/npu-proxy.service/memory.current`]: 3 * GIB,
    [`${slice}/npu-proxy.service/memory.stat`]: `anon 5\ninactive_file ${GIB}\nactive_file 7`,
    [`${slice}/memory.max`]: 12 * GIB,
    [`${slice}/memory.high`]: "max",
    [`${slice}/memory.current`]: 5 * GIB,
    [`${slice}/memory.stat`]: "inactive_file 0",
  });
  expect(groupMemory(folder.path)).toEqual([
    { limitBytes: 10 * GIB, usedBytes: 2 * GIB },
    { limitBytes: 12 * GIB, usedBytes: 5 * GIB },
  ]);
  expect(memory(folder.path)).toEqual({ availableBytes: 7 * GIB, totalBytes: 10 * GIB });
});

test("a container's group lies at the top, whatever path the host gave it; over its limit nothing is left", () => {
  using folder = root({
    "proc/meminfo": MEMINFO,
    "proc/self/cgroup": "0::/../../docker/0123",
    "sys/fs/cgroup/memory.max": 4 * GIB,
    "sys/fs/cgroup/memory.current": 5 * GIB,
  });
  expect(memory(folder.path)).toEqual({ availableBytes: 0, totalBytes: 4 * GIB });
});

test("version 1, beside an empty version 2; its largest number is no limit", () => {
  const mount = "sys/fs/cgroup/memory";
  using folder = root({
    "proc/meminfo": MEMINFO,
    "proc/self/cgroup": "5:devices:/x\n4:cpuset,memory:/docker/1\n1:name=systemd:/memory:/z\n0::/",
    [`${mount}/docker/1/memory.limit_in_bytes`]: 6 * GIB,
    [`${mount}/docker/1/memory.usage_in_bytes`]: 2 * GIB,
    [`${mount}/docker/1/memory.stat`]: `inactive_file 1\ntotal_inactive_file ${GIB}`,
    [`${mount}/memory.limit_in_bytes`]: "9223372036854771712",
    [`${mount}/memory.usage_in_bytes`]: GIB,
  });
  expect(memory(folder.path)).toEqual({ availableBytes: 5 * GIB, totalBytes: 6 * GIB });
});

test("the setting's limit is one more", () => {
  using folder = root({ "proc/meminfo": MEMINFO });
  expect(memory(folder.path, 8 * GIB)).toEqual({ availableBytes: 8 * GIB, totalBytes: 8 * GIB });
  expect(memory(folder.path, 25 * GIB)).toEqual({ availableBytes: 20 * GIB, totalBytes: 25 * GIB });
});

test("a system without these files is asked itself", () => {
  using folder = root({});
  const { availableBytes, totalBytes } = memory(folder.path);
  expect(availableBytes).toBeGreaterThan(0);
  expect(totalBytes).toBeGreaterThan(availableBytes);
});

test("what changes is seen soon", async () => {
  using folder = root({ "proc/meminfo": MEMINFO });
  const machine = createMachine({ memoryLimitBytes: 0, root: folder.path });
  expect(machine.memory().availableBytes).toBe(20 * GIB);
  put(folder.path, "proc/meminfo", MEMINFO.replace(String(20 * KIB_OF_GIB), String(KIB_OF_GIB)));
  await until(() => machine.memory().availableBytes === GIB);
  put(folder.path, "proc/meminfo", MEMINFO);
  expect(machine.memory(true).availableBytes).toBe(20 * GIB);
});

test("this machine's own memory", () => {
  const { availableBytes, totalBytes } = createMachine({ memoryLimitBytes: 0 }).memory();
  expect(availableBytes).toBeGreaterThan(64 * 2 ** 20);
  expect(totalBytes).toBeGreaterThan(availableBytes);
});

test("processes that the kernel killed for want of memory are counted, in both versions", () => {
  using second = root({
    "proc/self/cgroup": "0::/a/b",
    "sys/fs/cgroup/a/b/memory.events": "low 0\noom 4\noom_kill 2\noom_group_kill 0",
    "sys/fs/cgroup/a/memory.events": "oom_kill 3",
  });
  expect(oomKills(second.path)).toBe(3);
  using first = root({
    "proc/self/cgroup": "4:memory:/x\n0::/",
    "sys/fs/cgroup/memory/x/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 7",
  });
  expect(oomKills(first.path)).toBe(7);
  using none = root({});
  expect(oomKills(none.path)).toBe(0);
});
