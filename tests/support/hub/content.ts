/** The answer that carries a file's bytes, whole or from an offset, with what a fault makes of it. */
import type { Fault } from "./fault.ts";
import { bytesOf, type HubFile } from "./repository.ts";
import type { Answer, Asked } from "./wire.ts";

/** `etag` without quotes. */
export function contentAnswer(asked: Asked, file: HubFile, etag: string, fault: Fault | undefined): Answer {
  const size = fault && "wrongLength" in fault ? Math.floor(file.entry.size / 2) : file.entry.size;
  const shown = `"${fault && "changedEtag" in fault ? crypto.randomUUID() : etag}"`;
  const asks = /^bytes=(\d+)-(\d*)$/.exec(asked.headers["range"] ?? "");
  const holds = [undefined, shown].includes(asked.headers["if-range"]);
  const ranged = asks !== null && holds && !(fault && "noRange" in fault);
  const from = ranged ? Number(asks[1]) : 0;
  const to = ranged && asks[2] ? Math.min(size, Number(asks[2]) + 1) : size;
  const headers = { ETag: shown, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream" };
  if (ranged && from >= size) return { status: 416, headers: { ...headers, "Content-Range": `bytes */${size}` } };
  const range = ranged ? { "Content-Range": `bytes ${from}-${to - 1}/${size}` } : {};
  const body = send(file, from, to, fault);
  const end = fault && ("cutAt" in fault ? "cut" : "stall" in fault ? "stall" : undefined);
  const answer = { status: ranged ? 206 : 200, headers: { ...headers, ...range }, length: to - from, body };
  return end === undefined ? answer : { ...answer, end };
}

async function* send(file: HubFile, from: number, to: number, fault: Fault | undefined): AsyncGenerator<Uint8Array> {
  const limit = fault && "cutAt" in fault ? fault.cutAt : fault && "stall" in fault ? (to - from) >> 1 : to - from;
  const wrong = fault && "wrongBytes" in fault ? from + ((to - from) >> 1) : -1;
  let at = from;
  for (const piece of bytesOf(file.content, from, Math.min(to, from + limit))) {
    if (wrong >= at && wrong < at + piece.length) piece[wrong - at] = 255 - (piece[wrong - at] ?? 0);
    if (fault && "slow" in fault) yield* drip(piece, fault.slow);
    else yield piece;
    at += piece.length;
  }
}

/** In twenty pieces a second. */
async function* drip(bytes: Uint8Array, perSecond: number): AsyncGenerator<Uint8Array> {
  const step = Math.max(1, Math.floor(perSecond / 20));
  for (let at = 0; at < bytes.length; at += step) {
    yield bytes.subarray(at, at + step);
    await Bun.sleep(50);
  }
}
