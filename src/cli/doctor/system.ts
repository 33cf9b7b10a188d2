/** The machine that doctor looks at; a test lays out its own. */
import { open } from "node:fs/promises";
import { userInfo } from "node:os";
import type { DeviceInfo } from "../../core/request.ts";
import { LinuxFiles } from "../../runner/linux-files.ts";
import { findNpu, type NpuHardware } from "../../runner/npu-hardware.ts";

export interface System {
  readonly platform: string;
  readonly files: LinuxFiles;
  readonly user: { readonly name: string; readonly id: number };
  /** NPU_PROXY_NPU_EMULATION=cpu. */
  readonly emulateNpu: boolean;
  /** As the probe found them; none where it failed. */
  readonly devices: readonly DeviceInfo[];
  /** Whether this process may open a device's file for reading and writing. */
  opens(path: string): Promise<boolean>;
}

/** This machine. */
export function thisSystem(emulateNpu: boolean, devices: readonly DeviceInfo[]): System {
  return {
    platform: process.platform,
    files: new LinuxFiles(),
    user: { name: userInfo().username, id: process.getuid?.() ?? -1 },
    emulateNpu,
    devices,
    opens: (path) =>
      open(path, "r+").then(
        async (file) => {
          await file.close();
          return true;
        },
        () => false,
      ),
  };
}

/** The NPU's hardware on the PCI bus, where Linux has one. */
export function npuHardware(system: System): NpuHardware | undefined {
  return system.platform === "linux" ? findNpu(system.files) : undefined;
}

/** An NPU that the driver answered for. */
export function workingNpu(system: System): DeviceInfo | undefined {
  return system.devices.find(({ name, emulated }) => name === "NPU" && !emulated);
}

export function isWsl({ files }: System): boolean {
  return /microsoft|wsl/i.test(files.text("/proc/version") ?? "");
}

/** Docker, Podman, Kubernetes, LXC: each leaves one of these traces. */
export function isContainer({ files }: System): boolean {
  return (
    files.exists("/.dockerenv") ||
    files.exists("/run/.containerenv") ||
    /docker|kubepods|containerd|libpod|\blxc\b/.test(files.text("/proc/1/cgroup") ?? "")
  );
}
