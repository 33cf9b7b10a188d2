/** A disk of its own for a daemon's folders, small enough to be filled: a tmpfs, where this user may mount one. */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../support/demo.ts";

const SIZE_MIB = 96;
const CHUNK = Buffer.alloc(1 << 20);
/** The last bytes of a disk are reached by single pages. */
const PAGE = Buffer.alloc(4096);

export class SmallDisk implements Disposable {
  readonly #folder = temporaryFolder();
  /** False: it is an ordinary folder on a disk that is not ours to fill. */
  readonly mounted: boolean;

  constructor() {
    const mount = ["mount", "-t", "tmpfs", "-o", `size=${SIZE_MIB}m`, "tmpfs", this.path];
    this.mounted = Bun.which("mount") !== null && Bun.spawnSync(mount, { stderr: "ignore" }).exitCode === 0;
  }

  get path(): string {
    return this.#folder.path;
  }

  /** Leaves no byte free. @throws Error where the disk is none of its own */
  fill(): void {
    if (!this.mounted) throw new Error("This disk is shared with others and is not filled.");
    const file = openSync(this.#ballast, "w");
    try {
      for (const part of [CHUNK, PAGE]) writeUntilFull(file, part);
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  [Symbol.dispose](): void {
    // Lazily: a process that ends just now may still have a file open.
    if (this.mounted) Bun.spawnSync(["umount", "--lazy", this.path]);
    this.#folder[Symbol.dispose]();
  }

  get #ballast(): string {
    return join(this.path, "ballast");
  }
}

function writeUntilFull(file: number, part: Buffer): void {
  try {
    for (let written = part.length; written === part.length; ) written = writeSync(file, part);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}
