import { randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { run } from "./command.ts";

const temporaryName = /^\.new-(.+)-(\d+)-[0-9a-f]{8}$/;
const abandonedAfterMs = 24 * 3600 * 1000;

/**
 * Makes `target` a whole folder: nothing to do where `isWhole(target)`, else `fill` gets a new folder beside it, which
 * is synced and renamed into place. Whoever is killed half-way leaves only a temporary folder, which the next run
 * removes; of two at once the first one's folder stays.
 * @returns whether it was made now
 */
export async function publishFolder(
  target: string,
  isWhole: (folder: string) => boolean,
  fill: (folder: string) => Promise<void>,
): Promise<boolean> {
  if (isWhole(target)) return false;
  const parent = dirname(target);
  mkdirSync(parent, { recursive: true });
  removeAbandoned(parent);
  const temporary = temporaryBeside(target);
  const remove = () => rmSync(temporary, { recursive: true, force: true });
  process.on("exit", remove);
  try {
    mkdirSync(temporary);
    await fill(temporary);
    await run(["sync", "-f", temporary]);
    if (existsSync(target) && !isWhole(target)) {
      const damaged = temporaryBeside(target);
      renameSync(target, damaged);
      rmSync(damaged, { recursive: true, force: true });
    }
    if (!existsSync(target)) renameSync(temporary, target);
  } catch (thrown) {
    // Another run may have put the same folder there between the look and the rename.
    if (!isWhole(target)) throw thrown;
  } finally {
    remove();
    process.off("exit", remove);
  }
  return true;
}

/** Writes a small file so that a reader sees the old text or the new one, never half of it. */
export function publishFile(target: string, text: string): void {
  mkdirSync(dirname(target), { recursive: true });
  const temporary = temporaryBeside(target);
  const file = openSync(temporary, "w");
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, target);
}

/** The machine's name is part of it: containers may share a cache, and then process ids say nothing. */
function temporaryBeside(target: string): string {
  return join(dirname(target), `.new-${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`);
}

function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent)) {
    const [, host, pid] = temporaryName.exec(basename(name)) ?? [];
    if (pid === undefined) continue;
    const path = join(parent, name);
    const abandoned = host === hostname() ? !isAlive(Number(pid)) : ageMs(path) > abandonedAfterMs;
    if (abandoned) rmSync(path, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return thrown instanceof Error && "code" in thrown && thrown.code === "EPERM";
  }
}

function ageMs(path: string): number {
  return Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
}
