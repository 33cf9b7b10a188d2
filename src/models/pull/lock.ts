/**
 * A lock between the processes that share a store: a file that names its owner. Whoever finds one looks whether the owner still
 * lives, so kill -9 and power cuts leave no lock that anybody would have to remove by hand.
 */
import { mkdirSync, readFileSync, readlinkSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, uptime } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";

const schema = v.object({
  pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** The machine, and on Linux the container: process ids mean something within it alone. */
  host: v.string(),
  /** When the process started; "" where the system does not tell: another process may have its id by now. */
  started: v.string(),
  /** Which start of the machine: an id on Linux, elsewhere its second. */
  boot: v.string(),
});
type Owner = v.InferOutput<typeof schema>;

/** The lock is held until this is disposed of. */
export type Lock = Disposable;

const LOOK_MS = 250;
const BEAT_MS = 5000;
/** An owner on another host cannot be looked at: it is gone when its file did not change for this many looks (a minute). */
const SILENT_LOOKS = 240;

/**
 * Takes a lock, waiting until it is free.
 * @param onWait called once where there is something to wait for
 * @throws the signal's reason
 */
export async function acquireLock(
  path: string,
  signal: AbortSignal,
  onWait: () => void = () => undefined,
): Promise<Lock> {
  let last: string | undefined;
  let silent = 0;
  for (let look = 0; ; look++) {
    signal.throwIfAborted();
    const lock = tryLock(path, silent >= SILENT_LOOKS);
    if (lock) return lock;
    if (look === 0) onWait();
    const beat = beatOf(path);
    silent = beat === last ? silent + 1 : 0;
    last = beat;
    await sleep(LOOK_MS, undefined, { signal });
  }
}

/**
 * Takes a lock if nobody alive has it; makes the folders above it.
 * @param silent whether an owner that cannot be looked at counts as gone
 */
export function tryLock(path: string, silent = false): Lock | undefined {
  mkdirSync(dirname(path), { recursive: true });
  const mine = JSON.stringify(self());
  if (!create(path, mine)) {
    const found = read(path);
    if (!isGone(found, silent)) return undefined;
    // Two that find the same dead owner must not both remove its file: the second would remove the first one's new lock.
    using breaker = tryLock(`${path}.break`, silent);
    if (!breaker) return undefined;
    // One that was released meanwhile is not removed: what lies there by now would be a living owner's.
    if (found !== undefined && read(path) === found) rmSync(path, { force: true });
    if (!create(path, mine)) return undefined;
  }
  const beating = setInterval(() => beat(path), BEAT_MS);
  beating.unref();
  return {
    [Symbol.dispose]() {
      clearInterval(beating);
      if (read(path) === mine) rmSync(path, { force: true });
    },
  };
}

function create(path: string, content: string): boolean {
  try {
    writeFileSync(path, content, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // released meanwhile
  }
}

function isGone(content: string | undefined, silent: boolean): boolean {
  if (content === undefined) return true;
  const owner = parse(content);
  const here = self();
  if (owner?.host !== here.host) return silent;
  if (!isSameBoot(owner.boot, here.boot)) return true;
  return !isAlive(owner.pid) || (owner.started === "" ? silent : owner.started !== startOf(owner.pid));
}

function parse(content: string): Owner | undefined {
  try {
    return v.parse(schema, JSON.parse(content));
  } catch {
    return undefined; // a process that ended between making the file and writing it
  }
}

function self(): Owner {
  // Two machines may have one name, and the first process namespace has one number on all of them.
  const machine = linux(() => readFileSync("/etc/machine-id", "utf8").trim());
  const space = linux(() => readlinkSync("/proc/self/ns/pid"));
  return {
    pid: process.pid,
    host: [hostname(), machine && Bun.hash(machine).toString(16), space].filter(Boolean).join(" "),
    started: startOf(process.pid),
    boot:
      linux(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()) ||
      String(Math.round(Date.now() / 1000 - uptime())),
  };
}

/** Seconds differ a little from look to look, where the system's clock was set. */
function isSameBoot(a: string, b: string): boolean {
  return a === b || Math.abs(Number(a) - Number(b)) < 60;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Field 22 of /proc/<pid>/stat (proc_pid_stat(5)): clock ticks between the machine's start and the process's. */
function startOf(pid: number): string {
  return linux(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  });
}

function linux(look: () => string): string {
  if (process.platform !== "linux") return "";
  try {
    return look();
  } catch {
    return "";
  }
}

/** Shows owners elsewhere that this one lives. */
function beat(path: string): void {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    // The store is gone, or full of trouble: the next write to it says so.
  }
}

function beatOf(path: string): string {
  return String(statSync(path, { throwIfNoEntry: false })?.mtimeMs);
}
