/** A device as people know it: what OpenVINO says, and what Linux's files add. */
import { totalmem } from "node:os";
import type { DeviceInfo } from "../core/request.ts";
import type { NativeDevice } from "../native/contract.ts";
import { findLibrary, LinuxFiles } from "./linux-files.ts";
import { findNpu, firmwareVersion, npuGeneration } from "./npu-hardware.ts";

/**
 * OpenVINO's devices with everything that can be told of them. With emulation there is an NPU where the CPU is, and it says so.
 * What neither the driver nor Linux tells is left out.
 */
export function describeDevices(
  devices: readonly NativeDevice[],
  emulateNpu: boolean,
  files = new LinuxFiles(),
): readonly DeviceInfo[] {
  const real = devices.map((device) => describe(device, files));
  if (!emulateNpu) return real;
  const others = real.filter(({ name }) => name !== "NPU");
  const cpu = others.find(({ name }) => name === "CPU");
  if (!cpu) return others;
  const { fullName, memoryBytes } = cpu;
  const npu: DeviceInfo = { name: "NPU", fullName: `NPU (emulated on CPU: ${fullName})`, emulated: true };
  return [...others, memoryBytes === undefined ? npu : { ...npu, memoryBytes }];
}

function describe(device: NativeDevice, files: LinuxFiles): DeviceInfo {
  const { name, fullName } = device;
  const kind = name.split(".")[0];
  const facts = kind === "NPU" ? npuFacts(device, files) : kind === "GPU" ? gpuFacts(device, files) : cpuFacts(files);
  const precisions = device.precisions?.filter((precision) => /^(FP|BF|INT|BIN|NF)/.test(precision));
  const told = {
    architecture: device.architecture,
    driver: device.driver,
    memoryBytes: device.memoryBytes,
    precisions: precisions?.length ? precisions : undefined,
    ...facts,
  };
  const known = Object.entries(told).filter(([, value]) => value !== undefined && value !== "");
  return { name, fullName: fullName || name, emulated: false, ...Object.fromEntries(known) };
}

type Facts = { readonly [Key in keyof DeviceInfo]?: DeviceInfo[Key] | undefined };

function npuFacts(device: NativeDevice, files: LinuxFiles): Facts {
  const hardware = findNpu(files);
  return {
    generation: npuGeneration(device.architecture ?? "", hardware?.pciId),
    driver: npuDriver(files) ?? builtAt(device.driver),
    firmware: hardware && firmwareVersion(files, hardware),
    ...sensors(files, device.address ?? hardware?.address),
  };
}

/** The version is in the library's name alone: libze_intel_npu.so.1.38.0. */
export function npuDriver(files: LinuxFiles): string | undefined {
  const library = findLibrary(files, "libze_intel_npu.so.1");
  return library && /\.so\.(\d+\.\d+\.\d+)/.exec(files.target(library) ?? "")?.[1];
}

/** Linux's driver tells the second when it was built as its version; the one of Windows a real number. */
function builtAt(version: string | undefined): string | undefined {
  const seconds = Number(version);
  return seconds > 1e9 && seconds < 1e10 ? `built ${new Date(seconds * 1000).toISOString().slice(0, 10)}` : version;
}

/** By the graphics IP's version (Intel's GMD ids), which OpenVINO's plugin tells as arch=v20.4.4. */
const GPU_GENERATIONS: readonly (readonly [RegExp, string])[] = [
  [/^12\.5[5-7]\./, "Xe-HPG (Arc A series)"],
  [/^12\.7[01]\./, "Xe-LPG (Meteor Lake / Arrow Lake)"],
  [/^12\.74\./, "Xe-LPG+ (Arrow Lake H)"],
  [/^20\.1\./, "Xe2 (Arc B series)"],
  [/^20\.4\./, "Xe2 (Lunar Lake)"],
  [/^30\.[0-2]\./, "Xe3 (Panther Lake)"],
];

function gpuFacts(device: NativeDevice, files: LinuxFiles): Facts {
  const version = /arch=v([\d.]+)/.exec(device.architecture ?? "")?.[1] ?? "";
  return {
    generation: GPU_GENERATIONS.find(([pattern]) => pattern.test(version))?.[1],
    ...sensors(files, device.address),
  };
}

/** The instructions that matter to inference, by /proc/cpuinfo's flags. */
const CPU_FEATURES: readonly (readonly [flag: string, name: string])[] = [
  ["avx2", "AVX2"],
  ["avx_vnni", "AVX-VNNI"],
  ["avx512f", "AVX512"],
  ["avx512_vnni", "VNNI"],
  ["avx512_bf16", "BF16"],
  ["amx_tile", "AMX"],
];

function cpuFacts(files: LinuxFiles): Facts {
  const flags = /^flags\s*:(.*)$/m.exec(files.text("/proc/cpuinfo") ?? "")?.[1]?.split(" ");
  const features = CPU_FEATURES.filter(([flag]) => flags?.includes(flag)).map(([, name]) => name);
  const total = Number(/^MemTotal:\s+(\d+) kB/m.exec(files.text("/proc/meminfo") ?? "")?.[1]) * 1024;
  return {
    ...(flags && { architecture: ["x86-64", features.join(" ")].filter(Boolean).join(", ") }),
    memoryBytes: Number.isNaN(total) ? totalmem() : total,
    temperature: cpuTemperature(files),
  };
}

/** Of the whole package, where a sensor's driver is loaded. */
function cpuTemperature(files: LinuxFiles): number | undefined {
  const chips = files.list("/sys/class/hwmon").map((chip) => `/sys/class/hwmon/${chip}`);
  const chip = chips.find((folder) => /^(coretemp|k10temp)$/.test(files.text(`${folder}/name`) ?? ""));
  const zones = files.list("/sys/class/thermal").map((zone) => `/sys/class/thermal/${zone}`);
  const zone = zones.find((folder) => files.text(`${folder}/type`) === "x86_pkg_temp");
  const ofChip = chip === undefined ? undefined : temperature(files, chip);
  return ofChip ?? (zone === undefined ? undefined : degrees(files.number(`${zone}/temp`)));
}

/** Of a PCI device, from the sensors that its kernel driver has. */
function sensors(files: LinuxFiles, address: string | undefined): Facts {
  const folder = `/sys/bus/pci/devices/${address}/hwmon`;
  const [chip] = address ? files.list(folder) : [];
  if (!chip) return {};
  const microwatts = files.number(`${folder}/${chip}/power1_input`) ?? files.number(`${folder}/${chip}/power1_average`);
  return {
    temperature: temperature(files, `${folder}/${chip}`),
    power: microwatts === undefined ? undefined : microwatts / 1e6,
  };
}

/** Of the sensor that stands for the whole package, else the first. */
function temperature(files: LinuxFiles, chip: string): number | undefined {
  const inputs = files.list(chip).filter((name) => /^temp\d+_input$/.test(name));
  const label = (name: string): string => files.text(`${chip}/${name.replace("input", "label")}`) ?? "";
  const whole = inputs.find((name) => /^(pkg|Package id 0|Tctl)$/.test(label(name))) ?? inputs[0];
  return whole === undefined ? undefined : degrees(files.number(`${chip}/${whole}`));
}

function degrees(millidegrees: number | undefined): number | undefined {
  return millidegrees === undefined ? undefined : Math.round(millidegrees / 100) / 10;
}
