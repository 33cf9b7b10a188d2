/**
 * The memory limits that Linux's control groups put on this process, by the kernel's documentation of both versions:
 * https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.max, memory.high, memory.current, memory.events) and
 * https://docs.kernel.org/admin-guide/cgroup-v1/memory.html (memory.limit_in_bytes, memory.oom_control).
 */
import { LinuxFiles } from "./linux-files.ts";

/** A group with a limit. */
export interface GroupMemory {
  readonly limitBytes: number;
  /** Of the limit; without the file pages that the kernel drops first. */
  readonly usedBytes: number;
}

interface Version {
  /** Where its groups are mounted, everywhere that systemd or a container runtime did it. */
  readonly mount: string;
  /** Its line in /proc/self/cgroup; the path of this process's group follows. */
  readonly line: RegExp;
  readonly limits: readonly string[];
  readonly used: string;
  readonly droppable: RegExp;
  readonly events: string;
}

const VERSIONS: readonly Version[] = [
  {
    mount: "/sys/fs/cgroup",
    line: /^0::(.*)$/m,
    limits: ["memory.max", "memory.high"],
    used: "memory.current",
    droppable: /^inactive_file (\d+)$/m,
    events: "memory.events",
  },
  {
    mount: "/sys/fs/cgroup/memory",
    line: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m,
    limits: ["memory.limit_in_bytes"],
    used: "memory.usage_in_bytes",
    droppable: /^total_inactive_file (\d+)$/m,
    events: "memory.oom_control",
  },
];

/** The limited groups that this process is in, its own and those around it. `root` is / but for tests. */
export function groupMemory(root = "/"): GroupMemory[] {
  const files = new LinuxFiles(root);
  return groups(files).flatMap(({ version, folder }) => {
    const limits = version.limits.map((file) => files.number(`${folder}/${file}`) ?? Number.POSITIVE_INFINITY); // "max"
    const limitBytes = Math.min(...limits);
    const used = files.number(`${folder}/${version.used}`);
    if (!Number.isFinite(limitBytes) || used === undefined) return [];
    const droppable = Number(version.droppable.exec(files.text(`${folder}/memory.stat`) ?? "")?.[1] ?? 0);
    return [{ limitBytes, usedBytes: Math.max(0, used - droppable) }];
  });
}

/** How often the kernel killed a process of this process's groups for want of memory; 0 where it does not tell. */
export function oomKills(root = "/"): number {
  const files = new LinuxFiles(root);
  const counts = groups(files).map(({ version, folder }) =>
    Number(/^oom_kill (\d+)$/m.exec(files.text(`${folder}/${version.events}`) ?? "")?.[1] ?? 0),
  );
  return Math.max(0, ...counts); // a group around another counts the other's, too
}

/** From the process's own group up. A container sees its group at the mount's top: folders on the way may be missing. */
function groups(files: LinuxFiles): { version: Version; folder: string }[] {
  const own = files.text("/proc/self/cgroup") ?? "";
  return VERSIONS.flatMap((version) => {
    const path = version.line.exec(own)?.[1];
    if (path === undefined) return [];
    const names = path.split("/").filter((name) => name !== "" && name !== "..");
    return [...names.keys(), names.length]
      .reverse()
      .map((depth) => ({ version, folder: [version.mount, ...names.slice(0, depth)].join("/") }));
  });
}
