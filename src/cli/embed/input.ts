/** What `npu-proxy embed` reads: lines of JSON as they are, lines of text as JSON strings. */
import { ProxyError } from "../../core/errors.ts";

const LINE_FEED = 10;
/** Of a longer first line the first character decides. In bytes. */
const ENOUGH = 1 << 16;

/**
 * The lines of a file, or of stdin ("-"), as the bulk endpoint takes them; read as fast as they are sent. They are JSON
 * where the first one that is not empty is a JSON string or object, unless they are said to be plain.
 * @throws ProxyError invalid_request
 */
export async function openInput(
  file: string,
  plain: boolean,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  if (file !== "-") await refuseMissing(file);
  const chunks = read(file === "-" ? Bun.stdin : Bun.file(file), signal);
  const beginning = await firstLine(chunks);
  const all = behind(beginning, chunks);
  const source = plain || !isJson(beginning) ? asJson(all) : all;
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await source.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      // Not awaited: it would wait for what is being read from a terminal or a pipe.
      cancel: () => void source.return().catch(() => undefined),
    },
    { highWaterMark: 0 },
  );
}

/** How many lines a file has. */
export async function countLines(file: string, signal: AbortSignal): Promise<number> {
  let lines = 0;
  let last = LINE_FEED;
  for await (const chunk of read(Bun.file(file), signal)) {
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, at + 1)) lines += 1;
    last = chunk.at(-1) ?? last;
  }
  return last === LINE_FEED ? lines : lines + 1;
}

async function refuseMissing(file: string): Promise<void> {
  const found = await Bun.file(file)
    .stat()
    .catch(() => undefined);
  if (!found) throw new ProxyError("invalid_request", `There is no file ${file}.`);
  if (found.isDirectory())
    throw new ProxyError("invalid_request", `${file} is a folder; name a file with a text on each line.`);
}

async function* read(file: Blob, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const reader = file.stream().getReader();
  const leave = (): void => void reader.cancel().catch(() => undefined);
  signal.addEventListener("abort", leave, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", leave);
    leave();
  }
}

async function* behind(first: Uint8Array, rest: AsyncGenerator<Uint8Array, void>): AsyncGenerator<Uint8Array, void> {
  yield first;
  yield* rest;
}

/** What comes first, up to the end of a line that has something in it, or so much that it need not come whole. */
async function firstLine(chunks: AsyncGenerator<Uint8Array, void>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  while (size < ENOUGH && !text.trimStart().includes("\n")) {
    const { done, value } = await chunks.next();
    if (done) break;
    parts.push(value);
    size += value.length;
    text += decoder.decode(value, { stream: true });
  }
  return Buffer.concat(parts);
}

function isJson(beginning: Uint8Array): boolean {
  const text = new TextDecoder().decode(beginning).trimStart();
  const [line = "", ...more] = text.split("\n", 2);
  if (more.length === 0 && beginning.length >= ENOUGH) return /^["{]/.test(line);
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "string" || (typeof value === "object" && value !== null && !Array.isArray(value));
  } catch {
    return false;
  }
}

async function* asJson(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  const quoted = (line: string): string => (line.trim() === "" ? "" : JSON.stringify(line.replace(/\r$/, "")));
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (lines.length > 0) yield encoder.encode(lines.map((line) => `${quoted(line)}\n`).join(""));
  }
  rest += decoder.decode();
  if (rest !== "") yield encoder.encode(quoted(rest));
}
