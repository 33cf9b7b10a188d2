/** Where `npu-proxy embed` writes: stdout, or a file that is only ever appended to, so that what is there stays. */
import { type FileHandle, open } from "node:fs/promises";
import { ProxyError } from "../../core/errors.ts";
import { print } from "../output.ts";

const LINE_FEED = 10;
/** What is read of a file's end at a time, in bytes. */
const PIECE = 1 << 16;
/** How every line that the server answers begins. */
const BEGINNING = '{"line":';

export interface Output {
  /** Number of the input's line whose answer was the last when it was opened; 0 where it had none. */
  readonly last: number;
  /** Appends one line. @throws ReaderLeft, ProxyError storage_failed */
  write(line: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param path without one: stdout
 * @param resume goes on with a file that is there: half a line at its end goes
 * @throws ProxyError invalid_request (a file with something in it is there, or is none of ours), storage_failed
 */
export async function openOutput(path: string | undefined, resume: boolean): Promise<Output> {
  if (path === undefined) return { last: 0, write: print, close: async () => undefined };
  const handle = await stored(open(path, "a+"), path);
  try {
    // An empty one is what a command leaves that the server refused.
    if (!resume && (await handle.stat()).size > 0)
      throw new ProxyError(
        "invalid_request",
        `${path} is there already. With --resume it is gone on with; or name another file.`,
      );
    return new OutputFile(path, handle, resume ? await lastLine(handle, path) : 0);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

class OutputFile implements Output {
  readonly last: number;
  readonly #path: string;
  readonly #handle: FileHandle;

  constructor(path: string, handle: FileHandle, last: number) {
    this.#path = path;
    this.#handle = handle;
    this.last = last;
  }

  async write(line: string): Promise<void> {
    await stored(this.#handle.appendFile(line), this.#path);
  }

  async close(): Promise<void> {
    try {
      await stored(this.#handle.sync(), this.#path);
    } finally {
      await this.#handle.close();
    }
  }
}

/** The number that the file's last whole line tells; what is behind that line is cut off. */
async function lastLine(handle: FileHandle, path: string): Promise<number> {
  const { size } = await handle.stat();
  let tail = Buffer.alloc(0);
  // Two line feeds: the end of the last whole line, and that of the one before it.
  while (tail.length < size && feedBefore(tail, feedBefore(tail, tail.length)) < 0) {
    const length = Math.min(PIECE, size - tail.length);
    const piece = Buffer.alloc(length);
    const { bytesRead } = await handle.read(piece, 0, length, size - tail.length - length);
    if (bytesRead < length) throw new ProxyError("storage_failed", `${path} changed while it was read.`);
    tail = Buffer.concat([piece, tail]);
  }
  const end = feedBefore(tail, tail.length);
  const line = end < 0 ? 0 : lineNumber(tail.toString("utf8", feedBefore(tail, end) + 1, end));
  const isHalfOurs = BEGINNING.startsWith(tail.toString("latin1", end + 1, end + 1 + BEGINNING.length));
  // Before anything is cut off: it would be somebody's.
  if (line === undefined || !isHalfOurs)
    throw new ProxyError(
      "invalid_request",
      `The last line of ${path} is none that this command wrote; name another file with --output.`,
    );
  await stored(handle.truncate(size - tail.length + end + 1), path);
  return line;
}

/** Where the last line feed before `end` is; -1 where there is none. */
function feedBefore(bytes: Buffer, end: number): number {
  return end > 0 ? bytes.lastIndexOf(LINE_FEED, end - 1) : -1;
}

function lineNumber(text: string): number | undefined {
  try {
    const { line } = JSON.parse(text) as { line?: unknown };
    return Number.isSafeInteger(line) ? (line as number) : undefined;
  } catch {
    return undefined;
  }
}

async function stored<Result>(work: Promise<Result>, path: string): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    const { code } = error as { code?: unknown };
    throw new ProxyError(code === "ENOSPC" ? "storage_full" : "storage_failed", `${path} cannot be written.`, {
      cause: error,
      detail: String(error),
    });
  }
}
