/** The header of a safetensors file: 8 bytes of length (little-endian), then JSON; the tensors' bytes follow. */
import { open } from "node:fs/promises";
import * as v from "valibot";
import { ProxyError } from "../core/errors.ts";
import type { NativeWeight } from "./conversion-contract.ts";

/** The format's own limit, in bytes. */
const MAX_HEADER = 100 << 20;

const BYTES: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2 };

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const header = v.record(
  v.string(),
  v.object({ dtype: v.string(), shape: v.array(size), data_offsets: v.tuple([size, size]) }),
);

/**
 * Where each tensor of floating-point numbers lies; others (I64 position ids) are left out. Every offset is inside the
 * file and as long as its shape needs.
 * @throws ProxyError conversion_failed
 */
export async function readSafetensors(file: string): Promise<ReadonlyMap<string, NativeWeight>> {
  const handle = await open(file);
  try {
    const total = (await handle.stat()).size;
    const length = Number((await handle.read(Buffer.alloc(8), 0, 8, 0)).buffer.readBigUInt64LE());
    if (total < 8 || length > MAX_HEADER || length > total - 8) throw broken("its header is longer than the file");
    const text = (await handle.read(Buffer.alloc(length), 0, length, 8)).buffer.toString("utf8");
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null) throw broken("its header is no object");
    const { __metadata__: _, ...tensors } = parsed as Record<string, unknown>;
    return new Map(
      Object.entries(v.parse(header, tensors)).flatMap(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [begin, end],
          },
        ]) => {
          const width = BYTES[dtype];
          if (width === undefined) return [];
          const bytes = shape.reduce((product, side) => product * side, width);
          if (end - begin !== bytes || 8 + length + end > total)
            throw broken(`the tensor ${JSON.stringify(name.slice(0, 80))} lies outside of it`);
          return [[name, { file, offset: 8 + length + begin, type: dtype as NativeWeight["type"], shape }]];
        },
      ),
    );
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof v.ValiError) throw broken("its header cannot be read");
    throw error;
  } finally {
    await handle.close();
  }
}

function broken(why: string): ProxyError {
  return new ProxyError(
    "conversion_failed",
    `The model's safetensors file is damaged: ${why}. Pull the model again, or name another one.`,
  );
}
