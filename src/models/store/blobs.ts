/** Uploaded files by their SHA-256 (Ollama's /api/blobs), until a model is made of them: <models>/.blobs/sha256-<hex>. */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ProxyError } from "../../core/errors.ts";
import { BodyReader } from "../body-reader.ts";
import { writeDurable } from "./durable-file.ts";

const DIGEST = /^sha256[:-]([0-9a-f]{64})$/;

export interface Blobs {
  /** The file of a digest, whether it is there or not. @throws ProxyError invalid_request: no digest */
  pathOf(digest: string): string;
  has(digest: string): Promise<boolean>;
  /** @throws ProxyError invalid_request where the content has another digest; nothing is kept then */
  write(digest: string, content: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<void>;
}

export function blobsOf(models: string): Blobs {
  const folder = join(models, ".blobs");
  const pathOf = (digest: string): string => join(folder, `sha256-${hexOf(digest)}`);
  const has = async (digest: string): Promise<boolean> =>
    await stat(pathOf(digest)).then(
      (file) => file.isFile(),
      () => false,
    );
  return {
    pathOf,
    has,
    async write(digest, content, signal) {
      if (await has(digest)) return await content.cancel();
      // Two uploads of one blob may run side by side: each writes a file of its own, and the later rename changes nothing.
      await writeDurable(pathOf(digest), checked(content, hexOf(digest), signal));
    },
  };
}

/** The 64 hex digits of a digest: nothing else of one becomes a path. */
function hexOf(digest: string): string {
  const hex = DIGEST.exec(digest)?.[1];
  if (hex !== undefined) return hex;
  throw new ProxyError(
    "invalid_request",
    "This is no digest of a blob. Expected sha256: and 64 lower-case hex digits.",
    { param: "digest" },
  );
}

/** The pieces of an upload, as they come. @throws ProxyError invalid_request at the end of one that has another digest */
async function* checked(
  content: ReadableStream<Uint8Array>,
  wanted: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const hash = createHash("sha256");
  using body = new BodyReader(content, signal);
  for (let piece = await body.read(); piece; piece = await body.read()) {
    hash.update(piece);
    yield piece;
  }
  const hex = hash.digest("hex");
  if (hex !== wanted)
    throw new ProxyError(
      "invalid_request",
      `The content's digest is sha256:${hex}, not the one it was sent as. Upload it again.`,
      { param: "digest" },
    );
}
