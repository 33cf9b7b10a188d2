/** Streams of one JSON object per line, as the server writes its answers and its progress. */
import * as v from "valibot";
import type { ErrorCode, ProxyError } from "../core/errors.ts";
import { isErrorCode } from "./exit-codes.ts";

/** What every line of a stream may be in the place of its own fields: the error that ends it. */
interface Failing {
  readonly error?: string | undefined;
  readonly code?: string | undefined;
}

export interface LineStream<Line> {
  readonly body: ReadableStream<Uint8Array>;
  readonly schema: v.GenericSchema<unknown, Line>;
  /** Whether nothing comes behind this line. */
  isLast(line: Line): boolean;
  /** What a line is that is none: thrown. */
  unexpected(): ProxyError;
  /** What ends the stream before its last line; without a code: that of this kind of stream. */
  failed(code: ErrorCode | undefined, message: string, cause?: unknown): ProxyError;
  readonly signal: AbortSignal;
}

/** Longest line of a stream, in characters; a server that sends more is none of ours. */
const MAX_LINE = 8 << 20;

/**
 * Each line as it came and as it reads.
 * @throws ProxyError for an error inside the stream and for one that is cut off; what the signal aborts with
 */
export async function* readLines<Line extends Failing>(
  stream: LineStream<Line>,
): AsyncGenerator<{ readonly raw: string; readonly line: Line }, void> {
  const cutOff = (cause?: unknown): ProxyError =>
    stream.failed(undefined, "The server ended the answer before it was complete; its log says why.", cause);
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of received(stream.body, cutOff, stream.signal)) {
    const pieces = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = pieces.pop() ?? "";
    if (rest.length > MAX_LINE) throw stream.unexpected();
    for (const raw of pieces) {
      const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), stream.schema), raw);
      if (!parsed.success) throw stream.unexpected();
      const line = parsed.output;
      yield { raw, line };
      if (line.error !== undefined) throw stream.failed(isErrorCode(line.code) ? line.code : undefined, line.error);
      if (stream.isLast(line)) return;
    }
  }
  throw cutOff();
}

/**
 * The body's chunks; a connection that breaks is a ProxyError, an aborted signal its own. (The signal ends the reading
 * itself: the body of an app in this process stays open, since no connection closes.)
 */
async function* received(
  body: ReadableStream<Uint8Array>,
  cutOff: (cause: unknown) => ProxyError,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  signal.throwIfAborted();
  const reader = body.getReader();
  const leave = (): void => void reader.cancel().catch(() => undefined);
  signal.addEventListener("abort", leave, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield value;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw cutOff(error);
  } finally {
    signal.removeEventListener("abort", leave);
    leave();
  }
  signal.throwIfAborted();
}
