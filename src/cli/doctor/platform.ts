/** The operating system, and whether something stands between it and the devices. */
import { release } from "node:os";
import { type Finding, finding, skipped } from "./finding.ts";
import { isContainer, isWsl, npuHardware, type System } from "./system.ts";

const ON_WINDOWS = "Run npu-proxy on Windows itself, and point the clients here at its address.";

/** platform.system, platform.wsl, platform.container. */
export function platformFindings(system: System): readonly Finding[] {
  const { platform, files } = system;
  if (platform !== "linux")
    return [
      finding("platform.system", platform === "win32" ? "ok" : "problem", `${platform} ${release()}.`),
      ...skipped(["platform.wsl", "platform.container"], "Linux only."),
    ];
  const name = /^PRETTY_NAME="?([^"\n]*)/m.exec(files.text("/etc/os-release") ?? "")?.[1];
  const kernel = files.text("/proc/sys/kernel/osrelease") ?? "unknown";
  return [
    finding("platform.system", "ok", [name, `Linux ${kernel}`].filter(Boolean).join(", ")),
    isWsl(system)
      ? finding("platform.wsl", "warning", "This is WSL: Windows shows its NPU to no program in here.", ON_WINDOWS)
      : finding("platform.wsl", "ok", "Not WSL."),
    container(system),
  ];
}

function container(system: System): Finding {
  const id = "platform.container";
  if (!isContainer(system)) return finding(id, "ok", "Not a container.");
  if (isWsl(system)) return finding(id, "warning", "A container on Windows: it never gets the NPU.", ON_WINDOWS);
  const lacksNode = npuHardware(system) !== undefined && !system.files.exists("/dev/accel/accel0");
  if (!lacksNode) return finding(id, "ok", "A container.");
  return finding(
    id,
    "warning",
    "A container that was not given the machine's NPU.",
    'Start it with --device /dev/accel/accel0 --group-add "$(getent group render | cut -d: -f3)".',
  );
}
