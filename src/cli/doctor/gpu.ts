/** Intel's GPUs: their nodes, and the compute runtime that OpenVINO's plugin needs. */
import { findLibrary } from "../../runner/linux-files.ts";
import { type Finding, finding, skipped } from "./finding.ts";
import { isWsl, type System } from "./system.ts";

const IDS = ["gpu.node", "gpu.runtime"];

/** gpu.node, gpu.runtime. */
export async function gpuFindings(system: System): Promise<readonly Finding[]> {
  if (system.platform !== "linux") return skipped(IDS, "Linux only.");
  if (!hasIntelGpu(system)) return skipped(IDS, "There is no Intel GPU on the PCI bus.");
  return [await node(system), runtime(system)];
}

/** PCI's display controllers are class 03. */
function hasIntelGpu({ files }: System): boolean {
  return files.list("/sys/bus/pci/devices").some((address) => {
    const folder = `/sys/bus/pci/devices/${address}`;
    return files.text(`${folder}/vendor`) === "0x8086" && files.text(`${folder}/class`)?.startsWith("0x03");
  });
}

async function node(system: System): Promise<Finding> {
  const id = "gpu.node";
  const nodes = system.files.list("/dev/dri").filter((name) => name.startsWith("renderD"));
  if (nodes.length === 0)
    return finding(
      id,
      "warning",
      "There is no /dev/dri/renderD* for the GPU.",
      isWsl(system) ? "Run npu-proxy on Windows itself." : "See what the kernel says: sudo dmesg | grep -E 'i915|xe'",
    );
  const may = await Promise.all(nodes.map((name) => system.opens(`/dev/dri/${name}`)));
  if (may.includes(true)) return finding(id, "ok", `/dev/dri/${nodes[may.indexOf(true)]} may be opened.`);
  return finding(
    id,
    "warning",
    `This user may not open /dev/dri/${nodes[0]}.`,
    'sudo usermod -a -G render "$USER"   then log out and in again',
  );
}

function runtime(system: System): Finding {
  const id = "gpu.runtime";
  const advice = "sudo apt install intel-opencl-icd ocl-icd-libopencl1";
  if (system.devices.some(({ name }) => name.startsWith("GPU"))) {
    const driver = system.devices.find(({ name }) => name.startsWith("GPU"))?.driver;
    return finding(id, "ok", `OpenVINO reaches the GPU${driver ? `, driver ${driver}` : ""}.`);
  }
  if (!findLibrary(system.files, "libOpenCL.so.1"))
    return finding(id, "warning", "libOpenCL.so.1 was not found: no model can run on the GPU.", advice);
  const vendors = system.files.list("/etc/OpenCL/vendors").some((name) => /intel/i.test(name));
  if (!vendors) return finding(id, "warning", "Intel's compute runtime is not installed for OpenCL.", advice);
  return finding(id, "warning", "OpenCL and Intel's compute runtime are there, but OpenVINO finds no GPU.", advice);
}
