import { expect, test } from "bun:test";
import { Home } from "./command.ts";
import { ScriptedServer } from "./scripted-server.ts";

const LAPTOP = [
  {
    name: "NPU",
    full_name: "Intel(R) AI Boost",
    architecture: "4000",
    generation: "Lunar Lake (NPU 4)",
    driver: "1.38.0",
    firmware: "Aug 20 2026*NPU40xx*build",
    memory_bytes: 17_000_000_000,
    precisions: ["FP16", "INT8"],
  },
  {
    name: "GPU",
    full_name: "Intel(R) Arc(TM) 140V GPU (16GB) (iGPU)",
    architecture: "GPU: vendor=0x8086 arch=v20.4.4",
    generation: "Xe2 (Lunar Lake)",
    driver: "26.22.38646.4",
    memory_bytes: 18_000_000_000,
    precisions: ["FP32", "FP16", "INT8"],
    temperature: 47,
    power: 6.25,
  },
  {
    name: "CPU",
    full_name: "Intel(R) Core(TM) Ultra 7 258V",
    architecture: "x86-64, AVX2 AVX-VNNI",
    memory_bytes: 33_000_000_000,
    precisions: ["FP32", "INT8"],
    temperature: 51,
  },
];

test("devices prints generations as columns, and what else is known below each", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.devices = LAPTOP;
  const { stdout } = await home.run(["devices"], { env: server.env });
  expect(stdout.split("\n").map((line) => line.split(/ {3,}/))).toEqual([
    ["NAME", "FULL NAME", "DRIVER", "ARCHITECTURE", "PRECISIONS"],
    ["NPU", "Intel(R) AI Boost", "1.38.0", "Lunar Lake (NPU 4)", "FP16 INT8"],
    ["  17 GB, firmware of Aug 20 2026"],
    ["GPU", "Intel(R) Arc(TM) 140V GPU (16GB) (iGPU)", "26.22.38646.4", "Xe2 (Lunar Lake)", "FP32 FP16 INT8"],
    ["  18 GB, 47 °C, 6.3 W"],
    ["CPU", "Intel(R) Core(TM) Ultra 7 258V", "-", "x86-64", "FP32 INT8"],
    ["  33 GB, AVX2 AVX-VNNI, 51 °C"],
    [""],
  ]);
});

test("at a narrow terminal the precisions go below, too", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.devices = LAPTOP;
  const screen = home.terminal(["devices"], server.env, 80);
  expect(await screen.exited()).toBe(0);
  await screen.shows(/INT8, 33 GB.*\n/);
  expect(screen.text.split("\n").filter((line) => Bun.stringWidth(line) > 80)).toEqual([]);
  expect(screen.text).toMatch(/^NAME +FULL NAME +DRIVER +ARCHITECTURE$/m);
  expect(screen.text).toMatch(/^ {2}FP16 INT8, 17 GB, firmware of Aug 20 2026$/m);
});

test("--refresh has the drivers asked again", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  await home.run(["devices"], { env: server.env });
  await home.run(["devices", "--refresh"], { env: server.env });
  const asked = server.asked.filter(({ path }) => path === "/health/devices").map(({ query }) => query);
  expect(asked).toEqual(["", "refresh=1"]);
});

test("--json prints everything that the server tells", async () => {
  await using home = await Home.create();
  await using server = new ScriptedServer();
  server.devices = LAPTOP;
  const { stdout } = await home.run(["devices", "--json"], { env: server.env });
  expect(JSON.parse(stdout).devices).toEqual(LAPTOP);
});
