import { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { outFolder } from "./project.ts";

const longestWaitMs = 30 * 60 * 1000;

/**
 * Lets one set-up of this checkout run at a time. SQLite's file lock is the kernel's: it ends with its process, however
 * that ended, so there is no stale lock to clean up.
 * @returns what gives the lock back
 */
export function takeSetupLock(report: (line: string) => void): () => void {
  mkdirSync(outFolder, { recursive: true });
  const lock = new Database(join(outFolder, "setup.lock"), { create: true });
  try {
    lock.run("PRAGMA busy_timeout = 0");
    lock.run("BEGIN EXCLUSIVE");
  } catch {
    report("another set-up of this checkout is at work; waiting for it");
    lock.run(`PRAGMA busy_timeout = ${longestWaitMs}`);
    lock.run("BEGIN EXCLUSIVE");
  }
  return () => lock.close();
}
