/** The body of an answer of the hub, read into memory. */
import { unreachable } from "./hub-error.ts";

/**
 * All of a body; undefined where it has more bytes than `limit` (the rest is not read).
 * @throws ProxyError hub_unreachable where it breaks off; the signal's reason
 */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  limit: number,
  host: string,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    // Leaving the loop cancels the body.
    for await (const chunk of body ?? []) {
      size += chunk.length;
      if (size > limit) return undefined;
      chunks.push(chunk);
    }
  } catch (thrown) {
    signal.throwIfAborted();
    throw unreachable(host, "broke off its answer", String(thrown));
  }
  return new Uint8Array(Buffer.concat(chunks));
}
