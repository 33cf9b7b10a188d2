/** The NPU itself, and what Linux's kernel makes of it. */
import { npuGeneration } from "../../runner/npu-hardware.ts";
import { type Finding, finding } from "./finding.ts";
import { isContainer, isWsl, npuHardware, type System, workingNpu } from "./system.ts";
import { isBelow } from "./version.ts";

const KERNEL_LOG = "See what it says: sudo dmesg | grep intel_vpu";

/** hardware.npu: on Linux by the PCI bus, elsewhere by what OpenVINO finds. */
export function hardwareFinding(system: System): Finding {
  const id = "hardware.npu";
  const emulation = system.emulateNpu ? " It is emulated on the CPU (NPU_PROXY_NPU_EMULATION=cpu)." : "";
  const hardware = npuHardware(system);
  const working = workingNpu(system);
  if (hardware?.architecture) {
    const name = npuGeneration(hardware.architecture, hardware.pciId);
    const hidden = system.emulateNpu ? " The emulation hides it: unset NPU_PROXY_NPU_EMULATION to use it." : "";
    return finding(id, "ok", `${name}, PCI 8086:${hardware.pciId}.${hidden}`);
  }
  if (working) return finding(id, "ok", `${working.fullName}, ${working.generation ?? "of an unknown generation"}.`);
  if (hardware)
    return finding(
      id,
      "warning",
      `An Intel accelerator that this version does not know (PCI 8086:${hardware.pciId}).`,
      "Please send us the file that npu-proxy doctor --report npu-report.json writes.",
    );
  if (system.platform === "win32")
    return finding(
      id,
      "warning",
      `OpenVINO finds no NPU.${emulation}`,
      "With an Intel Core Ultra processor: install Intel's NPU driver (Windows Update has it).",
    );
  return finding(
    id,
    "warning",
    `There is no Intel NPU on the PCI bus.${emulation}`,
    isWsl(system)
      ? undefined
      : "Models run on GPU and CPU. An Intel Core Ultra has an NPU; its firmware setup may hide it.",
  );
}

/** kernel.version, kernel.module, device.node, device.access, for a machine that has an NPU. */
export async function kernelFindings(system: System): Promise<readonly Finding[]> {
  return [kernelVersion(system), kernelModule(system), deviceNode(system), await deviceAccess(system)];
}

/** The first kernel that OpenVINO's NPU guide asks for. */
const FIRST_KERNEL = "6.6";
/** Kernels before it cannot reset an NPU whose firmware reports a lost device (intel/linux-npu-driver #87). */
const RECOVERING_KERNEL = "6.15";

function kernelVersion({ files }: System): Finding {
  const id = "kernel.version";
  const kernel = files.text("/proc/sys/kernel/osrelease") ?? "";
  if (isBelow(kernel, FIRST_KERNEL))
    return finding(id, "problem", `Linux ${kernel}; the NPU needs ${FIRST_KERNEL} or newer.`, "Update the kernel.");
  if (isBelow(kernel, RECOVERING_KERNEL))
    return finding(
      id,
      "ok",
      `Linux ${kernel}. Unless it was patched, it cannot revive an NPU that was lost.`,
      "Should the NPU ever be lost: sudo modprobe -r intel_vpu && sudo modprobe intel_vpu",
    );
  return finding(id, "ok", `Linux ${kernel}.`);
}

function kernelModule({ files }: System): Finding {
  const id = "kernel.module";
  if (!files.exists("/sys/module/intel_vpu"))
    return finding(id, "problem", "The kernel module intel_vpu is not loaded.", "sudo modprobe intel_vpu");
  const version = files.text("/sys/module/intel_vpu/version");
  return finding(id, "ok", `intel_vpu ${version ? `${version} ` : ""}is loaded.`);
}

const NODE = "/dev/accel/accel0";

function deviceNode(system: System): Finding {
  const id = "device.node";
  if (system.files.exists(NODE)) return finding(id, "ok", `${NODE} exists.`);
  if (isContainer(system)) return finding(id, "problem", `${NODE} is not in this container.`);
  return finding(id, "problem", `${NODE} does not exist: the kernel could not start the NPU.`, KERNEL_LOG);
}

async function deviceAccess(system: System): Promise<Finding> {
  const id = "device.access";
  const { files, user } = system;
  const owner = files.owner(NODE);
  if (!owner) return finding(id, "skipped", `There is no ${NODE} to open.`);
  const asRoot =
    user.id === 0 ? "This says nothing of another user: run doctor as the one that runs the server." : undefined;
  if (await system.opens(NODE)) return finding(id, "ok", `This user may open ${NODE}.`, asRoot);
  const found = `This user may not open ${NODE}.`;
  const group = groupOf(system, owner.group);
  const forGroup = (owner.mode & 0o060) === 0o060;
  if (!group || group.name === "root" || !forGroup)
    return finding(id, "problem", found, `sudo chown root:render ${NODE} && sudo chmod g+rw ${NODE}`);
  if (group.members.includes(user.name))
    return finding(
      id,
      "problem",
      `${found} It joined the group ${group.name} after it logged in.`,
      "Log out and in again.",
    );
  return finding(id, "problem", found, `sudo usermod -a -G ${group.name} "$USER"   then log out and in again`);
}

function groupOf(
  { files }: System,
  id: number,
): { readonly name: string; readonly members: readonly string[] } | undefined {
  for (const line of (files.text("/etc/group") ?? "").split("\n")) {
    const [name = "", , number, members = ""] = line.split(":");
    if (Number(number) === id && number) return { name, members: members.split(",") };
  }
  return undefined;
}
