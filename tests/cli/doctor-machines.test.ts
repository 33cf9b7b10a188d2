import { expect, test } from "bun:test";
import { examine, type Finding, finding } from "../../src/cli/doctor/finding.ts";
import type { System } from "../../src/cli/doctor/system.ts";
import { systemChecks } from "../../src/cli/doctor/system-checks.ts";
import { describeDevices } from "../../src/runner/device-facts.ts";
import { LinuxFiles } from "../../src/runner/linux-files.ts";
import { temporaryFolder } from "../support/demo.ts";
import { type Layout, LUNAR_LAKE, LUNAR_LAKE_DEVICES, layOut, npuDriverFiles } from "../support/linux-machine.ts";

const GOOD = { ...LUNAR_LAKE, ...npuDriverFiles("1.38.0") };

type Options = Partial<Omit<System, "files">> & { readonly without?: readonly string[] };

/** What doctor finds in a machine's files, by id. */
async function examined(layout: Layout, { without = [], ...options }: Options = {}): Promise<Record<string, Finding>> {
  using folder = temporaryFolder();
  const kept = Object.entries(layout).filter(([path]) => !without.some((start) => path.startsWith(start)));
  layOut(folder.path, Object.fromEntries(kept));
  const files = new LinuxFiles(folder.path);
  const system: System = {
    platform: "linux",
    files,
    user: { name: "ada", id: 1000 },
    emulateNpu: false,
    devices: describeDevices([...LUNAR_LAKE_DEVICES], false, files),
    opens: async (path) => files.exists(path),
    ...options,
  };
  const checks = systemChecks(system, 60_000).flatMap((section) => section.checks);
  const found: Finding[] = [];
  for (const check of checks) found.push(...(await examine(check, new AbortController().signal)));
  return Object.fromEntries(found.map((one) => [one.id, one]));
}

function statuses(found: Record<string, Finding>): Record<string, string> {
  return Object.fromEntries(Object.entries(found).map(([id, { status }]) => [id, status]));
}

const ALL_GOOD = {
  "platform.system": "ok",
  "platform.wsl": "ok",
  "platform.container": "ok",
  "hardware.npu": "ok",
  "kernel.version": "ok",
  "kernel.module": "ok",
  "device.node": "ok",
  "device.access": "ok",
  "firmware.files": "ok",
  "runtime.level_zero": "ok",
  "runtime.npu_driver": "ok",
  "runtime.npu_compiler": "ok",
  "driver.version": "ok",
  "gpu.node": "ok",
  "gpu.runtime": "ok",
};
/** The devices of a machine whose NPU and GPU OpenVINO cannot reach. */
const CPU_ALONE = describeDevices([LUNAR_LAKE_DEVICES[0]], false, new LinuxFiles("/nonexistent"));

test("a Lunar Lake machine on which everything is right", async () => {
  const found = await examined(GOOD);
  expect(statuses(found)).toEqual(ALL_GOOD);
  expect(found["platform.system"]?.found).toBe("Ubuntu 26.04 LTS, Linux 7.0.0-31-generic");
  expect(found["hardware.npu"]?.found).toBe("Lunar Lake (NPU 4), PCI 8086:643e.");
  expect(found["driver.version"]?.found).toContain("1.38.0");
});

test("who may not open the NPU learns the command that lets him in", async () => {
  class GroupNode extends LinuxFiles {
    override owner(): { group: number; mode: number } {
      return { group: 992, mode: 0o660 };
    }
  }
  const access = async (group: string, opens: boolean, id = 1000): Promise<Finding | undefined> => {
    using folder = temporaryFolder();
    layOut(folder.path, { ...GOOD, "/etc/group": group });
    const system: System = {
      platform: "linux",
      files: new GroupNode(folder.path),
      user: { name: "ada", id },
      emulateNpu: false,
      devices: [],
      opens: async () => opens,
    };
    const checks = systemChecks(system, 60_000).flatMap((section) => section.checks);
    const found = await Promise.all(checks.map((check) => examine(check, new AbortController().signal)));
    return found.flat().find((one) => one.id === "device.access");
  };
  expect(await access("render:x:992:\n", false)).toMatchObject({
    status: "problem",
    advice: 'sudo usermod -a -G render "$USER"   then log out and in again',
  });
  expect(await access("render:x:992:bob,ada\n", false)).toMatchObject({ advice: "Log out and in again." });
  expect(await access("root:x:992:\n", false)).toMatchObject({ advice: expect.stringContaining("chown root:render") });
  expect(await access("render:x:992:\n", true)).toEqual(
    finding("device.access", "ok", "This user may open /dev/accel/accel0."),
  );
  expect((await access("render:x:992:\n", true, 0))?.advice).toContain("run doctor as the one that runs the server");
});

test("a stale driver is found by its name, its version and beside the present one", async () => {
  const library = "/usr/lib/x86_64-linux-gnu/libze_intel_vpu.so.1";
  const old = await examined({ ...LUNAR_LAKE, [library]: "" }, { devices: CPU_ALONE });
  expect(old["runtime.npu_driver"]).toMatchObject({ status: "problem", found: expect.stringContaining(library) });
  expect(old["driver.version"]?.status).toBe("skipped");
  const both = await examined({ ...GOOD, [library]: "" });
  expect(both["runtime.npu_driver"]).toMatchObject({ status: "warning", advice: `sudo rm ${library}*` });

  const version = async (driver: string, pciId = "0x643e\n"): Promise<Finding | undefined> => {
    const layout = { ...LUNAR_LAKE, ...npuDriverFiles(driver), "/sys/bus/pci/devices/0000:00:0b.0/device": pciId };
    return (await examined(layout))["driver.version"];
  };
  expect((await version("1.13.0"))?.status).toBe("problem");
  expect((await version("1.23.0"))?.status).toBe("warning");
  expect((await version("1.32.1"))?.status).toBe("warning");
  expect((await version("1.33.0"))?.status).toBe("ok");
  expect(await version("1.26.0", "0xb03e\n")).toMatchObject({
    status: "problem",
    found: "NPU driver 1.26.0 does not know Panther Lake (NPU 5); 1.28.0 is the first.",
  });
});

test("each missing part is named with what to do", async () => {
  const missing = async (id: string, ...without: readonly string[]): Promise<Finding | undefined> =>
    (await examined(GOOD, { without, devices: CPU_ALONE }))[id];
  expect(await missing("kernel.module", "/sys/module/intel_vpu")).toMatchObject({
    status: "problem",
    advice: "sudo modprobe intel_vpu",
  });
  expect(await missing("device.node", "/dev/accel")).toMatchObject({ advice: expect.stringContaining("dmesg") });
  expect(await missing("device.access", "/dev/accel")).toMatchObject({ status: "skipped" });
  expect(await missing("firmware.files", "/lib/firmware")).toMatchObject({ status: "problem" });
  expect(await missing("runtime.level_zero", "/usr/lib/x86_64-linux-gnu/libze_loader")).toMatchObject({
    status: "problem",
    found: "libze_loader.so.1 (Level Zero's loader) was not found.",
  });
  expect(await missing("runtime.npu_compiler", "/usr/lib/x86_64-linux-gnu/libnpu")).toMatchObject({
    status: "problem",
  });
  expect(await missing("gpu.runtime", "/etc/OpenCL")).toMatchObject({ status: "warning" });
  expect(await missing("gpu.node", "/dev/dri")).toMatchObject({ status: "warning" });
  // A library in a folder that nobody looks into is none that is missing, where the device answers.
  const elsewhere = await examined(GOOD, { without: ["/usr/lib/x86_64-linux-gnu/libze_loader"] });
  expect(elsewhere["runtime.level_zero"]?.status).toBe("ok");
  const configured = {
    ...GOOD,
    "/etc/ld.so.conf.d/intel.conf": "/opt/intel/lib\n",
    "/opt/intel/lib/libze_loader.so.1": "",
  };
  const found = await examined(configured, { without: ["/usr/lib/x86_64-linux-gnu/libze_loader"], devices: CPU_ALONE });
  expect(found["runtime.level_zero"]?.found).toBe("/opt/intel/lib/libze_loader.so.1.");
});

test("a GPU whose node may not be opened is a warning with the command", async () => {
  const found = await examined(GOOD, { opens: async (path) => !path.startsWith("/dev/dri"), devices: CPU_ALONE });
  expect(found["gpu.node"]).toMatchObject({
    status: "warning",
    advice: expect.stringContaining("usermod -a -G render"),
  });
});

test("an old kernel is told apart from one that cannot revive an NPU", async () => {
  const kernel = async (release: string): Promise<Finding | undefined> =>
    (await examined({ ...GOOD, "/proc/sys/kernel/osrelease": release }))["kernel.version"];
  expect((await kernel("6.5.0-41-generic"))?.status).toBe("problem");
  expect(await kernel("6.8.0-57-generic")).toMatchObject({
    status: "ok",
    advice: expect.stringContaining("modprobe -r"),
  });
  expect((await kernel("6.15.0"))?.advice).toBeUndefined();
});

test("WSL is sent to Windows", async () => {
  const layout = {
    "/proc/version": "Linux version 6.6.87.2-microsoft-standard-WSL2 (root@b) #1 SMP\n",
    "/proc/sys/kernel/osrelease": "6.6.87.2-microsoft-standard-WSL2\n",
  };
  const found = await examined(layout, { devices: CPU_ALONE });
  expect(found["platform.wsl"]).toMatchObject({
    status: "warning",
    advice: expect.stringContaining("Run npu-proxy on Windows itself"),
  });
  expect(found["hardware.npu"]).toEqual(finding("hardware.npu", "warning", "There is no Intel NPU on the PCI bus."));
  expect(found["device.access"]).toMatchObject({ status: "skipped", found: "There is no Intel NPU here." });
  const container = await examined({ ...layout, "/.dockerenv": "" }, { devices: CPU_ALONE });
  expect(container["platform.container"]).toMatchObject({
    status: "warning",
    found: expect.stringContaining("Windows"),
  });
});

test("a container learns how it is given the NPU", async () => {
  const without = ["/dev/accel"];
  const found = await examined({ ...GOOD, "/.dockerenv": "" }, { without, devices: CPU_ALONE });
  expect(found["platform.container"]).toMatchObject({
    status: "warning",
    advice: expect.stringContaining("--device /dev/accel/accel0"),
  });
  expect(found["device.node"]?.status).toBe("problem");
  const given = await examined({ ...GOOD, "/proc/1/cgroup": "0::/kubepods/besteffort/pod1\n" });
  expect(given["platform.container"]).toEqual(finding("platform.container", "ok", "A container."));
});

test("a machine without an NPU is a warning and no more; Windows is asked by its devices alone", async () => {
  const without = ["/sys/bus/pci/devices/0000:00:0b.0"];
  const bare = await examined(GOOD, { without, devices: CPU_ALONE });
  expect(bare["hardware.npu"]).toMatchObject({ status: "warning", found: "There is no Intel NPU on the PCI bus." });
  expect(bare["driver.version"]?.status).toBe("skipped");
  const emulated = await examined(GOOD, { without, devices: CPU_ALONE, emulateNpu: true });
  expect(emulated["hardware.npu"]?.found).toContain("emulated on the CPU");
  const hidden = await examined(GOOD, { emulateNpu: true });
  expect(hidden["hardware.npu"]).toMatchObject({ status: "ok", found: expect.stringContaining("emulation hides it") });

  const windows = await examined({}, { platform: "win32" });
  expect(windows["hardware.npu"]).toMatchObject({ status: "ok", found: expect.stringContaining("Intel(R) AI Boost") });
  expect(windows["kernel.module"]).toEqual(finding("kernel.module", "skipped", "Linux only."));
  expect(windows["platform.system"]?.status).toBe("ok");
  const unknown = await examined(
    { ...GOOD, "/sys/bus/pci/devices/0000:00:0b.0/device": "0x9999\n" },
    { devices: CPU_ALONE },
  );
  expect(unknown["hardware.npu"]).toMatchObject({ status: "warning", advice: expect.stringContaining("--report") });
});
