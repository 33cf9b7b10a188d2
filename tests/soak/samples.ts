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
    daemonFiles: openFiles(daemon.pid),
    runnerFiles: sum(runners.map(openFiles)),
    processes: runners.length,
  };
}

type Judged = "daemonMiB" | "runnersMiB" | "p50" | "daemonFiles" | "runnerFiles" | "processes";

const memory = (before: number): number => before * (1 + MEMORY_DRIFT.share) + MEMORY_DRIFT.mib;
const files = (before: number): number => before + FILE_DRIFT;

/** The most that each may be in the last quarter, by what it was in the second. */
const BOUNDS: Readonly<Record<Judged, (before: number) => number>> = {
  daemonMiB: memory,
  runnersMiB: memory,
  p50: (before) => before * TIME_DRIFT,
  daemonFiles: files,
  runnerFiles: files,
  processes: (before) => before,
};

/** The mean of a quarter of the samples, the first being 0. */
export function quarterOf(samples: readonly Sample[], quarter: 0 | 1 | 2 | 3, key: keyof Sample): number {
  const length = Math.floor(samples.length / 4);
  const from = quarter === 3 ? samples.length - length : quarter * length;
  return sum(samples.slice(from, from + length).map((one) => one[key])) / length;
}

/** What drifted beyond its bound between the second quarter of the samples and the last; nothing where all is well. */
export function drift(samples: readonly Sample[], judged = Object.keys(BOUNDS) as readonly Judged[]): string[] {
  if (samples.length < 4) return ["the run was too short to tell drift: it needs four blocks"];
  return judged.flatMap((key) => {
    const [before, after] = [quarterOf(samples, 1, key), quarterOf(samples, 3, key)];
    return after > BOUNDS[key](before) ? `${key} went from ${before.toFixed(1)} to ${after.toFixed(1)}` : [];
  });
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

export function openFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
