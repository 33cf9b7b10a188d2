/** What Linux tells in files: /sys, /proc, /dev, /etc, /lib. Elsewhere there are none, and every answer is "not there". */
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, join } from "node:path";

export class LinuxFiles {
  readonly #root: string;

  /** @param root where "/" is; a test's own folder */
  constructor(root = "/") {
    this.#root = root;
  }

  exists(path: string): boolean {
    return existsSync(join(this.#root, path));
  }

  /** The whole file without white space around it; undefined where it is not there or may not be read. */
  text(path: string): string | undefined {
    return this.bytes(path)?.toString("utf8").trim();
  }

  bytes(path: string): Buffer | undefined {
    try {
      return readFileSync(join(this.#root, path));
    } catch {
      return undefined;
    }
  }

  /** The number that the file is; undefined where it is none. */
  number(path: string): number | undefined {
    const text = this.text(path);
    return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
  }

  /** Names in a folder, sorted; none where it is not there. */
  list(path: string): readonly string[] {
    try {
      return readdirSync(join(this.#root, path)).sort();
    } catch {
      return [];
    }
  }

  /** The name of what a link leads to in the end: libx.so.1 → "libx.so.1.2.3". */
  target(path: string): string | undefined {
    try {
      return basename(realpathSync(join(this.#root, path)));
    } catch {
      return undefined;
    }
  }

  /** Whom a file belongs to, and its permissions (as in 0o660). */
  owner(path: string): { readonly group: number; readonly mode: number } | undefined {
    try {
      const { gid, mode } = statSync(join(this.#root, path));
      return { group: gid, mode: mode & 0o777 };
    } catch {
      return undefined;
    }
  }
}

/** Folders where distributions keep shared libraries, NixOS's drivers included. */
const LIBRARY_FOLDERS = [
  "/usr/lib/x86_64-linux-gnu",
  "/lib/x86_64-linux-gnu",
  "/usr/lib64",
  "/lib64",
  "/usr/lib",
  "/usr/local/lib",
  "/usr/local/lib64",
  "/run/opengl-driver/lib",
];

/** Where a shared library lies; undefined where it is in none of the usual folders, nor in one of ld.so's. */
export function findLibrary(files: LinuxFiles, name: string): string | undefined {
  const configured = files
    .list("/etc/ld.so.conf.d")
    .flatMap((file) => (files.text(`/etc/ld.so.conf.d/${file}`) ?? "").split("\n"))
    .map((line) => line.trim())
    .filter((line) => line.startsWith("/"));
  return [...LIBRARY_FOLDERS, ...configured].map((folder) => `${folder}/${name}`).find((path) => files.exists(path));
}
