/** Intel's NPUs: what each is called, and the one on this machine's PCI bus. */
import type { LinuxFiles } from "./linux-files.ts";

/** Sources: PCI ids and firmware families of the kernel's drivers/accel/ivpu, releases of intel/linux-npu-driver. */
interface NpuGeneration {
  readonly platform: string;
  /** As Intel counts them. */
  readonly npu: string;
  /** DEVICE_ARCHITECTURE as OpenVINO's plugin has it. */
  readonly architecture: string;
  readonly pciId: string;
  /** The firmware is intel/vpu/vpu_<family>_v1.bin. */
  readonly firmware: string;
  /** First release of the Linux driver that knows it. */
  readonly firstDriver: string;
}

const GENERATIONS: readonly NpuGeneration[] = [
  {
    platform: "Meteor Lake",
    npu: "NPU 3720",
    architecture: "3720",
    pciId: "7d1d",
    firmware: "37xx",
    firstDriver: "1.0.0",
  },
  {
    platform: "Arrow Lake",
    npu: "NPU 3720",
    architecture: "3720",
    pciId: "ad1d",
    firmware: "37xx",
    firstDriver: "1.5.0",
  },
  { platform: "Lunar Lake", npu: "NPU 4", architecture: "4000", pciId: "643e", firmware: "40xx", firstDriver: "1.5.0" },
  {
    platform: "Panther Lake",
    npu: "NPU 5",
    architecture: "5010",
    pciId: "b03e",
    firmware: "50xx",
    firstDriver: "1.28.0",
  },
  {
    platform: "Wildcat Lake",
    npu: "NPU 5",
    architecture: "5020",
    pciId: "fd3e",
    firmware: "50xx",
    firstDriver: "1.32.0",
  },
  { platform: "Nova Lake", npu: "NPU 6", architecture: "6010", pciId: "d71d", firmware: "60xx", firstDriver: "1.39.1" },
];

export interface NpuHardware extends Partial<Omit<NpuGeneration, "pciId">> {
  /** "0000:00:0b.0". */
  readonly address: string;
  readonly pciId: string;
}

/** "Lunar Lake (NPU 4)"; both names where one architecture has two; undefined for one that is not known here. */
export function npuGeneration(architecture: string, pciId?: string): string | undefined {
  const all = GENERATIONS.filter((one) => one.architecture === architecture);
  const known = all.filter((one) => one.pciId === pciId);
  const shown = known.length > 0 ? known : all;
  const [first] = shown;
  return first && `${shown.map(({ platform }) => platform).join(" / ")} (${first.npu})`;
}

const INTEL = "0x8086";
/** PCI's class of processing accelerators. */
const ACCELERATOR = "0x1200";

/** The first Intel NPU on the PCI bus. */
export function findNpu(files: LinuxFiles): NpuHardware | undefined {
  for (const address of files.list("/sys/bus/pci/devices")) {
    const folder = `/sys/bus/pci/devices/${address}`;
    if (files.text(`${folder}/vendor`) !== INTEL) continue;
    const pciId = files.text(`${folder}/device`)?.replace(/^0x/, "") ?? "";
    const known = GENERATIONS.find((one) => one.pciId === pciId);
    if (known || files.text(`${folder}/class`)?.startsWith(ACCELERATOR)) return { ...known, address, pciId };
  }
  return undefined;
}

/** Where the kernel keeps firmware, and how distributions compress it; the newer of its two names first. */
function firmwareFiles(family: string): readonly string[] {
  return ["v1", "v0.0"].flatMap((version) =>
    ["", ".zst", ".xz"].flatMap((packed) =>
      ["/lib/firmware/updates", "/lib/firmware", "/usr/lib/firmware"].map(
        (folder) => `${folder}/intel/vpu/vpu_${family}_${version}.bin${packed}`,
      ),
    ),
  );
}

/** The firmware file of an NPU; undefined where it is not installed. */
export function findFirmware(files: LinuxFiles, family: string): string | undefined {
  return firmwareFiles(family).find((path) => files.exists(path));
}

/** In the image, behind its header of one page (drivers/accel/ivpu/ivpu_fw.c). */
const VERSION_AT = 4096;
const VERSION_LENGTH = 256;

/**
 * The firmware's version: of the running one where debugfs may be read, else of the file that the kernel loads.
 * E.g. "Aug 20 2026*NPU40xx*…"; undefined where neither tells (an xz file is not unpacked for it).
 */
export function firmwareVersion(files: LinuxFiles, npu: NpuHardware): string | undefined {
  const running = ["0", npu.address].map((name) => files.text(`/sys/kernel/debug/accel/${name}/fw_version`));
  const told = running.find((text) => text);
  if (told || !npu.firmware) return told;
  const path = findFirmware(files, npu.firmware);
  const bytes = path === undefined || path.endsWith(".xz") ? undefined : files.bytes(path);
  if (!bytes) return undefined;
  const image = path?.endsWith(".zst") ? unpacked(bytes) : bytes;
  const [version = ""] = image
    .subarray(VERSION_AT, VERSION_AT + VERSION_LENGTH)
    .toString("latin1")
    .split("\0");
  return /^[\x20-\x7e]+$/.test(version) ? version : undefined;
}

/** Empty where the file is damaged: the kernel cannot load it either, and says so. */
function unpacked(bytes: Uint8Array): Buffer {
  try {
    return Bun.zstdDecompressSync(bytes);
  } catch {
    return Buffer.alloc(0);
  }
}
