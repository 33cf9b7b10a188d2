/** What the daemon and its runners take, and whether it drifts. */
import { readdirSync, readFileSync } from "node:fs";
import type { Daemon } from "../support/daemon.ts";

/** One block of requests. */
export interface Sample {
  readonly requests: number;
  readonly perSecond: number;
  /** Of complete answers, in ms. */
  readonly p50: number;
  readonly p99: number;
  /** Resident memory in MiB. */
  readonly daemonMiB: number;
  readonly runnersMiB: number;
  readonly daemonFiles: number;
  readonly runnerFiles: number;
  readonly processes: number;
}

/** Memory may grow by this much from the second quarter of a run to its last, and by this share. */
export const MEMORY_DRIFT = { mib: 24, share: 0.15 } as const;
/** The median time of an answer may grow by this factor. */
export const TIME_DRIFT = 1.6;
/** Open files come and go with the client's own connections. */
export const FILE_DRIFT = 48;

export function sample(daemon: Daemon, requests: number, elapsedMs: number, latencies: readonly number[]): Sample {
  const runners = daemon.runners();
  const sorted = [...latencies].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return {
    requests,
    perSecond: requests / (elapsedMs / 1000),
    p50: at(0.5),
    p99: at(0.99),
    daemonMiB: residentMiB(daemon.pid),
    runnersMiB: sum(runners.map(residentMiB)),
    daemonFiles: files(daemon.pid),
    runnerFiles: sum(runners.map(files)),
    processes: runners.length,
  };
}

/** What drifted beyond its bound between the second quarter of the samples and the last; nothing where all is well. */
export function drift(samples: readonly Sample[]): string[] {
  const quarter = Math.floor(samples.length / 4);
  if (quarter === 0) return ["the run was too short to tell drift: it needs four blocks"];
  const mean = (from: number, key: keyof Sample): number =>
    sum(samples.slice(from, from + quarter).map((one) => one[key])) / quarter;
  const found: string[] = [];
  const judge = (key: keyof Sample, bound: (before: number) => number): void => {
    const before = mean(quarter, key);
    const after = mean(samples.length - quarter, key);
    if (after > bound(before)) found.push(`${key} went from ${before.toFixed(1)} to ${after.toFixed(1)}`);
  };
  for (const key of ["daemonMiB", "runnersMiB"] as const)
    judge(key, (before) => before * (1 + MEMORY_DRIFT.share) + MEMORY_DRIFT.mib);
  judge("p50", (before) => before * TIME_DRIFT);
  for (const key of ["daemonFiles", "runnerFiles"] as const) judge(key, (before) => before + FILE_DRIFT);
  judge("processes", (before) => before);
  return found;
}

/** In the columns of HEADER. */
export function row(block: number, one: Sample): string {
  const cells = [block, one.requests, one.perSecond, one.p50, one.p99, one.daemonMiB, one.runnersMiB];
  const counts = [one.daemonFiles, one.runnerFiles, one.processes];
  return [...cells.map((cell) => cell.toFixed(0)), ...counts.map(String)].map((cell) => cell.padStart(9)).join("");
}

export const HEADER = [
  "block",
  "requests",
  "req/s",
  "p50 ms",
  "p99 ms",
  "daemon M",
  "runners M",
  "files",
  "r. files",
  "runners",
]
  .map((cell) => cell.padStart(9))
  .join("");

function residentMiB(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0; // it ended meanwhile
  }
}

function files(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
