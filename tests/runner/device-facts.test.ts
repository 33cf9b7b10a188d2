import { expect, test } from "bun:test";
import { describeDevices } from "../../src/runner/device-facts.ts";
import { LinuxFiles } from "../../src/runner/linux-files.ts";
import { npuGeneration } from "../../src/runner/npu-hardware.ts";
import { temporaryFolder } from "../support/demo.ts";
import {
  FIRMWARE,
  firmwareImage,
  type Layout,
  LUNAR_LAKE,
  LUNAR_LAKE_DEVICES,
  layOut,
  npuDriverFiles,
} from "../support/linux-machine.ts";

function described(
  layout: Layout,
  emulate = false,
  devices: Parameters<typeof describeDevices>[0] = LUNAR_LAKE_DEVICES,
) {
  using folder = temporaryFolder();
  layOut(folder.path, layout);
  const found = describeDevices(devices, emulate, new LinuxFiles(folder.path));
  return (name: string) => found.find((device) => device.name === name);
}

test("every device has what its driver and Linux tell", () => {
  const device = described({ ...LUNAR_LAKE, ...npuDriverFiles("1.38.0") });
  expect(device("NPU")).toEqual({
    name: "NPU",
    fullName: "Intel(R) AI Boost",
    emulated: false,
    architecture: "4000",
    generation: "Lunar Lake (NPU 4)",
    driver: "1.38.0",
    firmware: FIRMWARE,
    memoryBytes: 17_000_000_000,
    precisions: ["FP16", "INT8"],
  });
  expect(device("GPU")).toEqual({
    name: "GPU",
    fullName: "Intel(R) Arc(TM) 140V GPU (16GB) (iGPU)",
    emulated: false,
    architecture: "GPU: vendor=0x8086 arch=v20.4.4",
    generation: "Xe2 (Lunar Lake)",
    driver: "26.22.38646.4",
    memoryBytes: 18_000_000_000,
    precisions: ["FP32", "FP16", "INT8"],
    temperature: 47,
    power: 6.25,
  });
  expect(device("CPU")).toEqual({
    name: "CPU",
    fullName: "Intel(R) Core(TM) Ultra 7 258V",
    emulated: false,
    architecture: "x86-64, AVX2 AVX-VNNI",
    memoryBytes: 32_505_856 * 1024,
    precisions: ["FP32", "INT8"],
    temperature: 51,
  });
});

test("what nobody tells is left out", () => {
  const device = described({ "/proc/meminfo": "MemTotal: 1024 kB\n" }, false, [
    { name: "CPU", fullName: "Some CPU", architecture: "intel64" },
    { name: "GPU.1", fullName: "", precisions: ["EXPORT_IMPORT"] },
    { name: "NPU", fullName: "Some NPU", architecture: "9999" },
  ]);
  expect(device("CPU")).toEqual({
    name: "CPU",
    fullName: "Some CPU",
    emulated: false,
    architecture: "intel64",
    memoryBytes: 1_048_576,
  });
  expect(device("GPU.1")).toEqual({ name: "GPU.1", fullName: "GPU.1", emulated: false });
  expect(device("NPU")).toEqual({ name: "NPU", fullName: "Some NPU", emulated: false, architecture: "9999" });
});

test("a driver whose library has no version in its name tells when it was built; that of Windows its number", () => {
  expect(described(LUNAR_LAKE)("NPU")?.driver).toBe("built 2026-08-20");
  const onWindows = [{ name: "NPU", fullName: "Intel(R) AI Boost", architecture: "4000", driver: "4515" }];
  expect(described({}, false, onWindows)("NPU")).toMatchObject({ driver: "4515", generation: "Lunar Lake (NPU 4)" });
});

test("the running firmware, where it may be read, goes before the file's", () => {
  const device = described({ ...LUNAR_LAKE, "/sys/kernel/debug/accel/0/fw_version": "Oct 28 2026*NPU40xx\n" });
  expect(device("NPU")?.firmware).toBe("Oct 28 2026*NPU40xx");
});

test("firmware that is no firmware has no version", () => {
  const path = "/lib/firmware/intel/vpu/vpu_40xx_v1.bin";
  expect(described({ ...LUNAR_LAKE, [path]: firmwareImage("\u0001\u0002") })("NPU")?.firmware).toBeUndefined();
  expect(described({ ...LUNAR_LAKE, [path]: "short" })("NPU")?.firmware).toBeUndefined();
  const damaged = { ...LUNAR_LAKE, "/lib/firmware/intel/vpu/vpu_40xx_v1.bin.zst": "no zstd" };
  expect(described(damaged)("NPU")).toMatchObject({ fullName: "Intel(R) AI Boost" });
});

test("an architecture that two platforms share is told apart by the PCI bus", () => {
  expect(npuGeneration("3720")).toBe("Meteor Lake / Arrow Lake (NPU 3720)");
  expect(npuGeneration("3720", "ad1d")).toBe("Arrow Lake (NPU 3720)");
  expect(npuGeneration("5010")).toBe("Panther Lake (NPU 5)");
});

test("the emulated NPU comes with the CPU alone", () => {
  const [, gpu] = LUNAR_LAKE_DEVICES;
  expect(described(LUNAR_LAKE, true, [gpu])("NPU")).toBeUndefined();
});

test("an emulated NPU takes the real one's place and says what it is", () => {
  const device = described(LUNAR_LAKE, true);
  expect(device("NPU")).toEqual({
    name: "NPU",
    fullName: "NPU (emulated on CPU: Intel(R) Core(TM) Ultra 7 258V)",
    emulated: true,
    memoryBytes: 32_505_856 * 1024,
  });
});
