/** Whether what the hub sends for a file is what it listed: by the headers before the bytes, by their hash after. */
import { ProxyError } from "../../core/errors.ts";
import { HubError } from "./hub-error.ts";
import type { HubFile } from "./hub-file.ts";

/** What the hub says about a file beside its bytes has to be what it listed: another commit would be another model.
 *  @throws ProxyError download_corrupt */
export function checkAnnounced(headers: Headers, { path, size, sha256 }: HubFile, commit: string): void {
  const announced = headers.get("X-Repo-Commit");
  if (announced !== null && announced !== commit) throw corrupt(path, "a file of another commit");
  const linkedSize = headers.get("X-Linked-Size");
  if (linkedSize !== null && linkedSize !== String(size))
    throw corrupt(path, `${Number(linkedSize)} bytes, not ${size}`);
  const etag = headers.get("X-Linked-ETag")?.replace(/^"|"$/g, "");
  if (etag !== undefined && sha256 !== undefined && etag !== sha256)
    throw corrupt(path, "another SHA-256 than its list");
}

/** The offset of the first byte of a 200 or 206. @throws ProxyError download_corrupt where its headers contradict the list */
export function startOf({ status, headers }: Response, { path, size }: HubFile, from: number): number {
  if (status === 206) {
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get("Content-Range") ?? "");
    const whole = range !== null && Number(range[1]) === from && Number(range[2]) === size - 1;
    if (!whole || ![String(size), "*"].includes(range[3] ?? ""))
      throw corrupt(path, "another range than asked for", status);
    return from;
  }
  const length = headers.get("Content-Length");
  // A proxy that compresses anyway says how long the compressed bytes are; fetch unpacks them.
  const encoded = (headers.get("Content-Encoding") ?? "identity") !== "identity";
  if (length !== null && !encoded && Number(length) !== size)
    throw corrupt(path, `${Number(length)} bytes, not ${size}`, status);
  return 0;
}

/** @param what after "The hub sends …" */
export function corrupt(path: string, what: string, status = 200): ProxyError {
  return new ProxyError(
    "download_corrupt",
    `The hub sends ${what} for "${path}". Pull again; if it stays so, the hub or a proxy on the way is at fault.`,
    {
      cause: new HubError(status, "anew"),
    },
  );
}

/** By SHA-256, or by git's blob id where the hub knows no SHA-256. */
export function isContentOf(content: Uint8Array, { sha256, oid }: HubFile): boolean {
  if (sha256 !== undefined) return new Bun.CryptoHasher("sha256").update(content).digest("hex") === sha256;
  return new Bun.CryptoHasher("sha1").update(`blob ${content.length}\0`).update(content).digest("hex") === oid;
}
