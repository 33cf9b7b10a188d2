/** Machines as Linux's files show them, laid out in a folder: the root of a LinuxFiles. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Path to content; `{ link }` makes a symbolic link, a number a file of that many bytes' header and a version behind it. */
export type Layout = Readonly<Record<string, string | Uint8Array | { readonly link: string }>>;

export function layOut(root: string, layout: Layout): void {
  for (const [path, content] of Object.entries(layout)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    if (typeof content === "object" && "link" in content) symlinkSync(content.link, file);
    else writeFileSync(file, content);
  }
}

const LIBRARIES = "/usr/lib/x86_64-linux-gnu";
export const FIRMWARE = "Aug 20 2026*NPU40xx*build/ci/UD202638*6fc835a192052ac2261c4e1d5da7379ced95ae81";

/** Firmware as the kernel loads it: a header of one page, its version, and the rest. */
export function firmwareImage(version = FIRMWARE): Uint8Array {
  const image = Buffer.alloc(3 * 4096);
  image.write(version, 4096, "latin1");
  return image;
}

/** The NPU's driver in user space, of one version. */
export function npuDriverFiles(version: string): Layout {
  return {
    [`${LIBRARIES}/libze_intel_npu.so.${version}`]: "",
    [`${LIBRARIES}/libze_intel_npu.so.1`]: { link: `libze_intel_npu.so.${version}` },
    [`${LIBRARIES}/libnpu_driver_compiler.so`]: "",
  };
}

/** A laptop with a Core Ultra 7 258V on which everything is as it should be, but for its NPU driver, which is separate. */
export const LUNAR_LAKE: Layout = {
  "/etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 26.04 LTS"\n',
  "/etc/group": `root:x:0:\nrender:x:${process.getgid?.() ?? 0}:\n`,
  "/proc/sys/kernel/osrelease": "7.0.0-31-generic\n",
  "/proc/version": "Linux version 7.0.0-31-generic (buildd@lcy02) #31-Ubuntu SMP\n",
  "/proc/1/cgroup": "0::/init.scope\n",
  "/proc/meminfo": "MemTotal:       32505856 kB\nMemAvailable:   20000000 kB\n",
  "/proc/cpuinfo":
    "processor : 0\nflags\t\t: fpu sse2 avx2 avx_vnni\n\nprocessor : 1\nflags\t\t: fpu sse2 avx2 avx_vnni\n",
  "/sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086\n",
  "/sys/bus/pci/devices/0000:00:02.0/device": "0x64a0\n",
  "/sys/bus/pci/devices/0000:00:02.0/class": "0x030000\n",
  "/sys/bus/pci/devices/0000:00:02.0/hwmon/hwmon5/temp2_input": "47000\n",
  "/sys/bus/pci/devices/0000:00:02.0/hwmon/hwmon5/temp2_label": "pkg\n",
  "/sys/bus/pci/devices/0000:00:02.0/hwmon/hwmon5/temp3_input": "39000\n",
  "/sys/bus/pci/devices/0000:00:02.0/hwmon/hwmon5/temp3_label": "vram\n",
  "/sys/bus/pci/devices/0000:00:02.0/hwmon/hwmon5/power1_input": "6250000\n",
  "/sys/bus/pci/devices/0000:00:0b.0/vendor": "0x8086\n",
  "/sys/bus/pci/devices/0000:00:0b.0/device": "0x643e\n",
  "/sys/bus/pci/devices/0000:00:0b.0/class": "0x120000\n",
  "/sys/class/hwmon/hwmon2/name": "coretemp\n",
  "/sys/class/hwmon/hwmon2/temp1_input": "51000\n",
  "/sys/class/hwmon/hwmon2/temp1_label": "Package id 0\n",
  "/sys/class/hwmon/hwmon2/temp2_input": "44000\n",
  "/sys/class/hwmon/hwmon2/temp2_label": "Core 0\n",
  "/sys/module/intel_vpu/version": "1.0.0\n",
  "/dev/accel/accel0": "",
  "/dev/dri/renderD128": "",
  "/lib/firmware/intel/vpu/vpu_40xx_v1.bin.zst": Bun.zstdCompressSync(firmwareImage()),
  [`${LIBRARIES}/libze_loader.so.1`]: "",
  [`${LIBRARIES}/libOpenCL.so.1`]: "",
  "/etc/OpenCL/vendors/intel.icd": `${LIBRARIES}/intel-opencl/libigdrcl.so\n`,
};

/** What OpenVINO's plugins say on that laptop. */
export const LUNAR_LAKE_DEVICES = [
  {
    name: "CPU",
    fullName: "Intel(R) Core(TM) Ultra 7 258V",
    architecture: "intel64",
    precisions: ["FP32", "INT8", "EXPORT_IMPORT"],
  },
  {
    name: "GPU",
    fullName: "Intel(R) Arc(TM) 140V GPU (16GB) (iGPU)",
    architecture: "GPU: vendor=0x8086 arch=v20.4.4",
    driver: "26.22.38646.4",
    address: "0000:00:02.0",
    memoryBytes: 18_000_000_000,
    precisions: ["FP32", "FP16", "INT8", "GPU_HW_MATMUL"],
  },
  {
    name: "NPU",
    fullName: "Intel(R) AI Boost",
    architecture: "4000",
    driver: "1787227200",
    address: "0000:00:0b.0",
    memoryBytes: 17_000_000_000,
    precisions: ["FP16", "INT8", "EXPORT_IMPORT"],
  },
] as const;
