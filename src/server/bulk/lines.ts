/** A request's body as lines of JSON, read no faster than they are asked for. */

/** Longest line, in bytes. */
const LONGEST_LINE = 8 << 20;
/** What is handed on together at most: so many lines, or as many as have so many bytes. */
const MOST_LINES = 64;
const MOST_BYTES = 1 << 20;
const LINE_FEED = 10;

/** A line that has something in it, by its number counted from 1; or what is wrong with it. */
export type BulkLine = { readonly line: number; readonly id?: string | number } & (
  | { readonly text: string }
  | { readonly error: string }
);

/**
 * The lines from number `from` on: a JSON string each, or an object with a `text` and perhaps an `id`. Empty lines only
 * count. What has come is handed on at once, without waiting for more; the signal ends the reading.
 */
export async function* bulkLines(
  body: ReadableStream<Uint8Array>,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<readonly BulkLine[], void> {
  const reader = body.getReader();
  const leave = (): void => void reader.cancel().catch(() => undefined);
  signal.addEventListener("abort", leave, { once: true });
  try {
    const splitter = new Splitter(from);
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      yield* together(done ? splitter.end() : splitter.lines(value));
      if (done) return;
    }
  } finally {
    signal.removeEventListener("abort", leave);
    leave();
  }
}

function* together(lines: Iterable<BulkLine>): Generator<readonly BulkLine[], void> {
  let batch: BulkLine[] = [];
  let size = 0;
  for (const line of lines) {
    batch.push(line);
    size += "text" in line ? line.text.length : 0;
    if (batch.length < MOST_LINES && size < MOST_BYTES) continue;
    yield batch;
    [batch, size] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}

class Splitter {
  readonly #from: number;
  #line = 1;
  /** The beginning of a line whose end has not come. */
  #begun: Uint8Array[] = [];
  #size = 0;

  constructor(from: number) {
    this.#from = from;
  }

  *lines(chunk: Uint8Array): Generator<BulkLine, void> {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      if (end < 0) break;
      this.#add(chunk.subarray(start, end));
      yield* this.end();
      start = end + 1;
    }
    // A copy: the whole chunk would stay for its last bytes.
    if (start < chunk.length) this.#add(chunk.slice(start));
  }

  /** The line that ends here. */
  *end(): Generator<BulkLine, void> {
    const [line, begun, size] = [this.#line, this.#begun, this.#size];
    this.#line += 1;
    this.#begun = [];
    this.#size = 0;
    if (line < this.#from || size === 0) return;
    if (size > LONGEST_LINE) yield { line, error: `The line is longer than ${LONGEST_LINE} bytes.` };
    else {
      const read = readLine(line, begun.length === 1 ? (begun[0] as Uint8Array) : Buffer.concat(begun));
      if (read) yield read;
    }
  }

  /** Of a line that is skipped or too long only the size is kept. */
  #add(part: Uint8Array): void {
    this.#size += part.length;
    if (this.#size > LONGEST_LINE || this.#line < this.#from) this.#begun = [];
    else this.#begun.push(part);
  }
}

function readLine(line: number, bytes: Uint8Array): BulkLine | undefined {
  let value: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (text.trim() === "") return undefined;
    value = JSON.parse(text);
  } catch {
    return { line, error: "The line is not valid JSON in UTF-8." };
  }
  if (typeof value === "string") return { line, text: value.toWellFormed() };
  const { id, text } = (typeof value === "object" ? (value ?? {}) : {}) as { id?: unknown; text?: unknown };
  if (id !== undefined && typeof id !== "string" && typeof id !== "number")
    return { line, error: "The line's id must be a string or a number." };
  const told = id === undefined ? { line } : { line, id: typeof id === "string" ? id.toWellFormed() : id };
  if (typeof text === "string") return { ...told, text: text.toWellFormed() };
  return { ...told, error: "The line must be a JSON string, or an object with a text." };
}
