/** Core's Machine: the memory that this process and its runners may use. */
import { totalmem } from "node:os";
import type { Machine, MemoryState } from "../core/ports.ts";
import { groupMemory } from "./control-group.ts";
import { LinuxFiles } from "./linux-files.ts";

export interface MachineOptions {
  /** NPU_PROXY_MEMORY_LIMIT in bytes; 0: none. */
  readonly memoryLimitBytes: number;
  /** Where /proc and /sys are; / but for tests. */
  readonly root?: string;
}

/** Decisions that come together see one state, and a burst of requests reads the files once. */
const FRESH_MS = 250;

/** Linux: /proc/meminfo and the control groups, whichever leaves least; elsewhere what the system tells. */
export function createMachine({ memoryLimitBytes, root = "/" }: MachineOptions): Machine {
  let state: MemoryState | undefined;
  let readAt = 0;
  return {
    memory(fresh = false) {
      const now = performance.now();
      if (!fresh && state && now - readAt < FRESH_MS) return state;
      readAt = now;
      state = limited(leastOf(root), memoryLimitBytes);
      return state;
    },
  };
}

function leastOf(root: string): MemoryState {
  const machine = meminfo(root) ?? { availableBytes: process.availableMemory(), totalBytes: totalmem() };
  return groupMemory(root).reduce(
    ({ availableBytes, totalBytes }, { limitBytes, usedBytes }) => ({
      availableBytes: Math.min(availableBytes, Math.max(0, limitBytes - usedBytes)),
      totalBytes: Math.min(totalBytes, limitBytes),
    }),
    machine,
  );
}

function limited({ availableBytes, totalBytes }: MemoryState, limitBytes: number): MemoryState {
  if (limitBytes === 0) return { availableBytes, totalBytes };
  return { availableBytes: Math.min(availableBytes, limitBytes), totalBytes: Math.min(totalBytes, limitBytes) };
}

/** Undefined where the system has no such file (Windows). */
function meminfo(root: string): MemoryState | undefined {
  const text = new LinuxFiles(root).text("/proc/meminfo") ?? "";
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]);
  const state = { availableBytes: kib("MemAvailable") * 1024, totalBytes: kib("MemTotal") * 1024 };
  return state.availableBytes >= 0 && state.totalBytes > 0 ? state : undefined;
}
