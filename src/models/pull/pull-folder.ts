/**
 * Where a pull works until its model is whole, below <models>/.partial:
 *
 * <key>.lock           who pulls it, while somebody does
 * <key>/origin.json    what it is, for who looks what can go
 * <key>/<hash>.part    a file under way (the hash is of its path: no name of the hub's is a name here), and its ETag
 * <key>/files/         the files, once all of them are verified
 * <key>/converted/     what a conversion made of them
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { access, chmod, constants, copyFile, link, mkdir, realpath, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { syncFolder, writeDurable } from "../store/durable-file.ts";

const origin = v.object({ repository: v.string(), commit: v.string() });

export interface PullFolder {
  readonly path: string;
  readonly lock: string;
  readonly files: string;
  readonly converted: string;
}

/** @param variant of several models in one commit, the one meant; "" where it is one */
export function pullFolder(
  models: string,
  hub: string,
  repository: string,
  commit: string,
  variant: string,
): PullFolder {
  const what = `${hub}/${repository.toLowerCase()}@${commit}${variant === "" ? "" : `:${variant}`}`;
  const path = join(models, ".partial", sha256(what));
  return { path, lock: `${path}.lock`, files: join(path, "files"), converted: join(path, "converted") };
}

/** Makes the folder, with the files of an attempt that ended late as parts again. */
export async function beginPull(
  folder: PullFolder,
  repository: string,
  commit: string,
  paths: readonly string[],
): Promise<void> {
  await mkdir(folder.path, { recursive: true });
  await writeDurable(join(folder.path, "origin.json"), JSON.stringify({ repository, commit }));
  for (const path of paths) {
    const whole = join(folder.files, path);
    if (existsSync(whole)) await rename(whole, partOf(folder, path));
  }
  await rm(folder.files, { recursive: true, force: true });
  await rm(folder.converted, { recursive: true, force: true });
}

/** What a folder of .partial was to become: "OpenVINO/Qwen3-8B-int4-ov"; undefined where it is no pull's. */
export function originOf(path: string): string | undefined {
  try {
    return v.parse(origin, JSON.parse(readFileSync(join(path, "origin.json"), "utf8"))).repository;
  } catch {
    return undefined;
  }
}

export function partOf(folder: PullFolder, path: string): string {
  return join(folder.path, `${sha256(path)}.part`);
}

/** Begins a part with a file of the store: a hard link, or a copy where there cannot be one or it could not be opened as a part. */
export async function seedPart(part: string, from: string): Promise<void> {
  // A link to a symbolic link would be one as well.
  const source = await realpath(from);
  try {
    await access(source, constants.W_OK);
    await link(source, part);
  } catch {
    await copyFile(source, part, constants.COPYFILE_FICLONE);
    await chmod(part, 0o644);
  }
}

/** Gives verified and flushed parts their names, and flushes those. */
export async function assemble(folder: PullFolder, paths: readonly string[]): Promise<void> {
  const folders = new Set([folder.files]);
  for (const path of paths) {
    const target = join(folder.files, path);
    await mkdir(dirname(target), { recursive: true });
    await rename(partOf(folder, path), target);
    folders.add(dirname(target));
  }
  for (const path of folders) await syncFolder(path);
}

/** Nothing of a finished pull stays. The lock is its holder's. */
export async function endPull(folder: PullFolder): Promise<void> {
  await rm(folder.path, { recursive: true, force: true });
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
