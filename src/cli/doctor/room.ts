/** Room on the disks and in memory. */
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Config } from "../../config.ts";
import type { MemoryState } from "../../core/ports.ts";
import { humanSize } from "../table.ts";
import { type Finding, finding } from "./finding.ts";

/** Bytes: below the first nothing useful fits, below the second hardly one model does. */
const DISK = { least: 1e9, enough: 10e9 } as const;
const MEMORY = { least: 0.5e9, enough: 2e9 } as const;

/** disk.models, disk.cache. */
export async function diskFindings({ folders }: Config): Promise<readonly Finding[]> {
  return [
    await disk("disk.models", folders.models, "the models", "NPU_PROXY_MODEL_PATH"),
    await disk("disk.cache", folders.cache, "compiled models", "NPU_PROXY_CACHE_DIR"),
  ];
}

async function disk(id: string, folder: string, what: string, setting: string): Promise<Finding> {
  const free = await freeBytes(folder);
  return judged(
    id,
    free,
    DISK,
    `${humanSize(free)} free for ${what}.`,
    `Make room, or set ${setting} to another folder.`,
  );
}

/** Free for this user where the folder is, or will be made. */
async function freeBytes(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    const above = dirname(folder);
    if (above === folder) throw error;
    return await freeBytes(above);
  }
}

/** memory: of the machine or its control group. */
export function memoryFinding({ availableBytes, totalBytes }: MemoryState): Finding {
  const found = `${humanSize(availableBytes)} of ${humanSize(totalBytes)} can be taken.`;
  return judged("memory", availableBytes, MEMORY, found, "End other programs, or raise the control group's limit.");
}

function judged(
  id: string,
  bytes: number,
  { least, enough }: { readonly least: number; readonly enough: number },
  found: string,
  advice: string,
): Finding {
  if (bytes >= enough) return finding(id, "ok", found);
  return finding(id, bytes < least ? "problem" : "warning", found, advice);
}
