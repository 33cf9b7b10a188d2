/** Those that embed for `bench embed`: the bare pipeline, and servers that speak OpenAI's embeddings. */
import { BuildError } from "../../build/build-error.ts";
import { startScript } from "./bare.ts";

export interface EmbedSubject {
  readonly name: string;
  /** Its processes; none where they are not known. */
  pids(): readonly number[];
  /** Vectors of these texts, in their order. */
  vectors(texts: readonly string[]): Promise<readonly ArrayLike<number>[]>;
  /** Embeds all texts as fast as it can. Returns the ns. */
  all(texts: readonly string[]): Promise<number>;
  /** Embeds one after the other. Returns the ns of each. */
  each(queries: readonly string[]): Promise<readonly number[]>;
}

/** 0: one by one. The others are batches of texts of about the same length. */
const BATCHES = [0, 4, 8, 16, 32];

/** @param texts to find out with, once, whether it is faster singly or in which batches */
export async function bareEmbedder(
  python: string,
  directory: string,
  texts: readonly string[],
): Promise<EmbedSubject & AsyncDisposable> {
  // The precision that npu-proxy computes in: a CPU's bf16 is faster, and not exact enough.
  const properties = { INFERENCE_PRECISION_HINT: "f32" };
  const script = await startScript(python, "bare_embed.py", { directory, properties });
  const all = async (batch: number, all: readonly string[]): Promise<number> =>
    (await script.ask<{ ns: number }>({ texts: all, batch })).ns;
  await all(0, texts);
  let fastest = { batch: 0, ns: Number.POSITIVE_INFINITY };
  for (const batch of BATCHES) {
    const ns = await all(batch, texts);
    console.log(`bare, ${how(batch)}: ${(texts.length / (ns / 1e9)).toFixed(0)} texts/s`);
    if (ns < fastest.ns) fastest = { batch, ns };
  }
  return {
    name: `bare pipeline, ${how(fastest.batch)}`,
    pids: () => [script.pid],
    vectors: async (asked) => (await script.ask<{ vectors: number[][] }>({ vectors: asked })).vectors,
    all: (asked) => all(fastest.batch, asked),
    each: async (queries) => (await script.ask<{ ns: number[] }>({ queries })).ns,
    [Symbol.asyncDispose]: () => script[Symbol.asyncDispose](),
  };
}

function how(batch: number): string {
  return batch === 0 ? "singly" : `batches of ${batch} by length`;
}

/** @param url below which /v1/embeddings is; @param pids its processes, where they are known */
export function serverEmbedder(
  name: string,
  url: string,
  model: string,
  pids: () => readonly number[] = () => [],
): EmbedSubject {
  const ask = async (input: string | readonly string[]): Promise<readonly Float32Array[]> => {
    // As OpenAI's own clients ask: in base64.
    const response = await fetch(`${url}/v1/embeddings`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ model, input, encoding_format: "base64" }),
      timeout: false,
    } as RequestInit);
    if (!response.ok) throw new BuildError(`${name} answered ${response.status}: ${await response.text()}`);
    const { data } = (await response.json()) as { data: { index: number; embedding: string }[] };
    return data
      .toSorted((a, b) => a.index - b.index)
      .map(({ embedding }) => new Float32Array(new Uint8Array(Buffer.from(embedding, "base64")).buffer));
  };
  return {
    name,
    pids,
    vectors: ask,
    async all(texts) {
      const begin = Bun.nanoseconds();
      const vectors = await ask(texts);
      if (vectors.length !== texts.length) throw new BuildError(`${name} gave ${vectors.length} vectors.`);
      return Bun.nanoseconds() - begin;
    },
    async each(queries) {
      const times: number[] = [];
      for (const query of queries) {
        const begin = Bun.nanoseconds();
        await ask(query);
        times.push(Bun.nanoseconds() - begin);
      }
      return times;
    },
  };
}
