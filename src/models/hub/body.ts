/** The body of an answer of the hub, read into memory. */
import { unreachable } from "./hub-error.ts";

/**
 * All of a body; undefined where it has more bytes than `limit` (the rest is not read).
 * @throws ProxyError hub_unreachable where it breaks off; the signal's reason
 */
export async function readBody(
  body: AsyncIterable<Uint8Array> | null,
  limit: number,
  host: string,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const content = await readStart(body ?? [], limit + 1, host, signal);
  return content.length > limit ? undefined : content;
}

/**
 * The first bytes of a body, `most` of them unless it ends before; the rest is not read.
 * @throws ProxyError hub_unreachable where it breaks off; the signal's reason
 */
export async function readStart(
  body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  most: number,
  host: string,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    // Leaving the loop cancels the body.
    for await (const chunk of body) {
      size += chunk.length;
      chunks.push(chunk);
      if (size >= most) break;
    }
  } catch (thrown) {
    signal.throwIfAborted();
    throw unreachable(host, "broke off its answer", String(thrown));
  }
  return new Uint8Array(Buffer.concat(chunks, Math.min(size, most)));
}
