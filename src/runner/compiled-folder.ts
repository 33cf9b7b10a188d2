/**
 * The folder of compiled models: for each a folder with OpenVINO's blobs and a note of what they are. The note's time is
 * the last use, which whoever has it loaded keeps fresh: so other processes know, and a kill -9 leaves nothing to clear up.
 */
import { createHash } from "node:crypto";
import { readdirSync, utimesSync } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { CompiledModel, CompiledModels, CompiledOrigin } from "../core/compiled.ts";
import { filesIn, NOTE, noteBlobs, readNote, removeDamaged, writeNote } from "./compiled-note.ts";

/** How often a use is noted, and how long one counts as going on. */
const BEAT_MS = 60_000;
const IN_USE_MS = 3 * BEAT_MS;

/** A folder that a load may read blobs from and write them to. */
export interface CompiledUse {
  readonly path: string;
  /** There are blobs in it, and they are whole. */
  readonly held: boolean;
  /** Vouches for the blobs that are there now, after a load that succeeded. */
  keep(): Promise<void>;
  /** Removes it; whether it is gone. */
  discard(): Promise<boolean>;
  /** The placement is gone. */
  end(): void;
}

export class CompiledFolder implements CompiledModels {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async list(): Promise<readonly CompiledModel[]> {
    const entries = await readdir(this.#directory, { withFileTypes: true }).catch(() => []);
    return await Promise.all(
      entries.map(async (entry) => {
        const path = join(this.#directory, entry.name);
        const files = entry.isDirectory() ? (await filesIn(path)).map((name) => join(path, name)) : [path];
        const found = await Promise.all(files.map(look));
        const note = await readNote(path);
        // Without a note: whatever was read or written last.
        const used = note?.touched ?? new Date(Math.max(0, ...found.map((file) => file.used)));
        return {
          key: entry.name,
          ...(note && { origin: note.origin }),
          bytes: found.reduce((sum, { bytes }) => sum + bytes, 0),
          used,
          inUse: note !== undefined && Date.now() - used.getTime() < IN_USE_MS,
        };
      }),
    );
  }

  async remove(key: string): Promise<boolean> {
    return await rm(join(this.#directory, key), { recursive: true, force: true }).then(
      () => true,
      () => false, // Windows: a file of it is mapped
    );
  }

  /** Whether something was compiled for this. */
  holds(origin: CompiledOrigin): boolean {
    try {
      return readdirSync(join(this.#directory, keyOf(origin))).some((name) => name !== NOTE);
    } catch {
      return false;
    }
  }

  /** Makes the folder for this where it is missing, removes what is damaged in it, and notes its use until that ends.
   *  Undefined where nothing can be written. */
  async use(origin: CompiledOrigin): Promise<CompiledUse | undefined> {
    const key = keyOf(origin);
    const path = join(this.#directory, key);
    await mkdir(path, { recursive: true }).catch(() => undefined);
    if ((await readNote(path))?.origin.model !== origin.model) await writeNote(path, origin);
    if (!(await readNote(path))) return undefined;
    touch(path, Date.now());
    const beating = setInterval(() => touch(path, Date.now()), BEAT_MS);
    beating.unref();
    return {
      path,
      held: (await removeDamaged(path)) > 0,
      keep: () => noteBlobs(path, origin),
      discard: () => this.remove(key),
      end() {
        clearInterval(beating);
        touch(path, Date.now() - IN_USE_MS); // or it would count as going on
      },
    };
  }
}

function touch(path: string, ms: number): void {
  try {
    utimesSync(join(path, NOTE), ms / 1000, ms / 1000);
  } catch {} // removed meanwhile
}

/** The model's name is no part of it: a copy of a model has the same files. OpenVINO's own hash of the graph and its
 *  properties tells the blobs of a folder apart, so that a wrong one is never read. */
function keyOf(origin: CompiledOrigin): string {
  const { digest, device, architecture, driver, emulated, maxPromptTokens, contextLength, openvino } = origin;
  const identity = [digest, device, architecture, driver, emulated, maxPromptTokens, contextLength, openvino];
  return createHash("sha256").update(JSON.stringify(identity)).digest("hex").slice(0, 32);
}

async function look(path: string): Promise<{ readonly bytes: number; readonly used: number }> {
  return await stat(path).then(
    ({ size, atimeMs, mtimeMs }) => ({ bytes: size, used: Math.max(atimeMs, mtimeMs) }),
    () => ({ bytes: 0, used: 0 }), // removed meanwhile
  );
}
