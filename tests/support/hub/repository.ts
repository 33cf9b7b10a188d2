/** What a repository of the test hub holds, and how the hub describes it. */
import { closeSync, openSync, readSync, statSync } from "node:fs";

export interface RepositoryOptions {
  /** By path in the repository: a file on disk, or the content. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  readonly tags?: readonly string[];
  /** Its files want a token: one of `tokens`; any other is refused with 403. */
  readonly gated?: boolean;
  /** Nobody without one of `tokens` learns that it exists. */
  readonly private?: boolean;
  /** Default: ["hf_good"]. */
  readonly tokens?: readonly string[];
  readonly downloads?: number;
  readonly likes?: number;
  readonly library?: string;
  readonly pipeline?: string;
  readonly license?: string;
  /** ISO 8601. */
  readonly updated?: string;
  /** The branch or tag that shall mean these files; default "main". Earlier ones stay reachable by their commit. */
  readonly revision?: string;
  /** What the hub claims the commit to be, in the place of an honest one. */
  readonly commit?: string;
  /** Changes the list of files: a hub that lies about names, sizes and hashes. */
  readonly tree?: (entries: readonly TreeEntry[]) => readonly unknown[];
}

export interface TreeEntry {
  readonly type: "file" | "directory";
  readonly path: string;
  readonly size: number;
  /** Git's blob id; of an LFS file that of its pointer. */
  readonly oid: string;
  readonly lfs?: { readonly oid: string; readonly size: number; readonly pointerSize: number };
  readonly xetHash?: string;
}

export interface HubFile {
  readonly content: string | Uint8Array;
  readonly entry: TreeEntry;
}

export interface Snapshot {
  readonly id: string;
  readonly commit: string;
  readonly options: RepositoryOptions;
  readonly files: ReadonlyMap<string, HubFile>;
}

const CHUNK = 1 << 20;
const LFS = /\.(bin|safetensors|gguf|onnx|pt)$/;

/** Hashes the files and describes them; the commit is that of the same files every time. */
export function createSnapshot(id: string, options: RepositoryOptions): Snapshot {
  const files = new Map<string, HubFile>();
  const commit = new Bun.CryptoHasher("sha1").update(id);
  for (const path of Object.keys(options.files).sort()) {
    const content = options.files[path] ?? "";
    const entry = describe(path, content);
    files.set(path, { content, entry });
    commit.update(`${path} ${entry.oid}`);
  }
  return { id, commit: options.commit ?? commit.digest("hex"), options, files };
}

/** A file's bytes from `from` up to `to` (exclusive), in pieces that may be written into. */
export function* bytesOf(content: string | Uint8Array, from: number, to: number): Generator<Uint8Array> {
  if (typeof content !== "string") {
    yield new Uint8Array(content.subarray(from, to)); // a Buffer's own slice() shares its memory
    return;
  }
  const file = openSync(content, "r");
  try {
    for (let at = from; at < to; ) {
      const chunk = new Uint8Array(Math.min(CHUNK, to - at));
      const count = readSync(file, chunk, 0, chunk.length, at);
      if (count === 0) return;
      yield chunk.subarray(0, count);
      at += count;
    }
  } finally {
    closeSync(file);
  }
}

function describe(path: string, content: string | Uint8Array): TreeEntry {
  const size = typeof content === "string" ? statSync(content).size : content.length;
  if (!LFS.test(path)) return { type: "file", path, size, oid: blobId(content, size) };
  const sha256 = new Bun.CryptoHasher("sha256");
  for (const chunk of bytesOf(content, 0, size)) sha256.update(chunk);
  const oid = sha256.digest("hex");
  const pointer = Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${size}\n`);
  const lfs = { oid, size, pointerSize: pointer.length };
  return { type: "file", path, size, oid: blobId(pointer, pointer.length), lfs, xetHash: oid };
}

function blobId(content: string | Uint8Array, size: number): string {
  const sha1 = new Bun.CryptoHasher("sha1").update(`blob ${size}\0`);
  for (const chunk of bytesOf(content, 0, size)) sha1.update(chunk);
  return sha1.digest("hex");
}
