/** Uploaded files by their SHA-256 (Ollama's /api/blobs), until a model is made of them: <models>/.blobs/sha256-<hex>. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ProxyError } from "../../core/errors.ts";
import { syncFolder } from "./durable-file.ts";

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
  /** The only place where a digest becomes a path. */
  const pathOf = (digest: string): string => {
    const hex = DIGEST.exec(digest)?.[1];
    if (hex === undefined)
      throw new ProxyError(
        "invalid_request",
        "This is no digest of a blob. Expected sha256: and 64 lower-case hex digits.",
        {
          param: "digest",
        },
      );
    return join(folder, `sha256-${hex}`);
  };
  const has = async (digest: string): Promise<boolean> =>
    await stat(pathOf(digest)).then(
      (file) => file.isFile(),
      () => false,
    );
  return {
    pathOf,
    has,
    async write(digest, content, signal) {
      const target = pathOf(digest);
      if (await has(digest)) {
        await content.cancel();
        return;
      }
      await mkdir(folder, { recursive: true });
      // Two uploads of one blob may run side by side: each writes a file of its own, and the later rename changes nothing.
      const temporary = join(folder, `upload-${randomBytes(8).toString("hex")}`);
      try {
        const hex = await receive(content, temporary, signal);
        if (target !== pathOf(`sha256:${hex}`))
          throw new ProxyError(
            "invalid_request",
            `The content's digest is sha256:${hex}, not the one it was sent as. Upload it again.`,
            { param: "digest" },
          );
        await rename(temporary, target);
        await syncFolder(folder);
      } finally {
        await rm(temporary, { force: true });
      }
    },
  };
}

/** Writes and flushes a stream; returns its SHA-256. */
async function receive(content: ReadableStream<Uint8Array>, target: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(target, "wx");
  const reader = content.getReader();
  // A reader that waits for an upload that has stalled wakes by this alone.
  const leave = (): void => void reader.cancel(signal.reason).catch(() => undefined);
  signal.addEventListener("abort", leave, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) break;
      hash.update(value);
      await file.writeFile(value);
    }
    await file.sync();
    return hash.digest("hex");
  } finally {
    signal.removeEventListener("abort", leave);
    await reader.cancel().catch(() => undefined);
    await file.close();
  }
}
