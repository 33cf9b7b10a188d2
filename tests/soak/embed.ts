/**
 * `bun run soak embed [--texts N]`: 200 clients at once send a real embedder texts of all lengths, half of them again and
 * again, by Ollama's API, by OpenAI's and in bulk. Exits with 1 where a request is not answered, where a vector is not
 * the one of its text, or where memory, files or processes drift beyond their bounds (samples.ts).
 */
import { parseArgs } from "node:util";
import { setup } from "../../build/setup.ts";
import { type EmbedderDaemon, startEmbedder } from "../support/embedder-daemon.ts";
import { cosine, type Reference, references } from "../support/reference-vectors.ts";
import { drift, HEADER, row, type Sample, sample } from "./samples.ts";

const CLIENTS = 200;
const BLOCKS = 20;
/** Texts that come again and again; the cache holds them, and as many new ones as come meanwhile. */
const HOT = 128;
const SHOWN_FAILURES = 10;
/** A CPU may compute in less than 32 bits. */
const SAME = 0.999;
const LONGEST = 240;

const KINDS = ["one", "list", "openai", "bulk"] as const;
type Kind = (typeof KINDS)[number];
/** Texts of one request. */
const COUNT: Readonly<Record<Kind, number>> = { one: 1, list: 12, openai: 12, bulk: 40 };

interface Asked {
  readonly text: string;
  /** What is to come out; undefined: a text that nobody else embedded. */
  readonly reference: Reference | undefined;
}

interface Told {
  readonly vectors: readonly ArrayLike<number>[];
  readonly cached: number;
}

/** Returns the exit code. */
export async function soakEmbed(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { texts: { type: "string", default: "200000" } } });
  const texts = Number(values.texts);
  if (!(texts >= BLOCKS)) {
    console.error(`--texts is a number of at least ${BLOCKS}.`);
    return 2;
  }
  process.env["NPU_PROXY_RUNTIME_DIR"] ??= await setup();
  await using server = await startEmbedder({ NPU_PROXY_LOG_LEVEL: "error" });
  const run = new Run(server);
  await run.send(0);
  const samples: Sample[] = [];
  const started = performance.now();
  console.log(HEADER);
  for (let block = 1; block <= BLOCKS; block++) {
    const [from, before, latencies] = [performance.now(), run.requests, [] as number[]];
    const client = async (): Promise<void> => {
      while (run.asked < (texts * block) / BLOCKS) latencies.push(await run.send(run.requests));
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    samples.push(sample(server.daemon, run.requests - before, performance.now() - from, latencies));
    console.log(row(block, samples.at(-1) as Sample));
  }
  const seconds = (performance.now() - started) / 1000;
  const counts = KINDS.map((kind) => `${run.kinds.get(kind) ?? 0} ${kind}`).join(", ");
  console.log(
    `${run.asked} texts in ${run.requests} requests (${counts}) by ${CLIENTS} clients in ${seconds.toFixed(0)} s, ` +
      `${(run.asked / seconds).toFixed(0)} texts/s; ${run.cached} from the cache; ${run.compared} vectors compared with ` +
      `sentence-transformers', least cosine ${run.least.toFixed(5)}`,
  );
  // How long a request takes is a matter of what else the machine does: here it is told and not judged.
  const failures = [...run.failures, ...drift(samples).filter((found) => !found.startsWith("p50 "))];
  for (const failure of failures.slice(0, SHOWN_FAILURES)) console.log(`FAIL ${failure}`);
  console.log(
    failures.length === 0 ? "well: every vector in its place, memory bounded" : `${failures.length} failures`,
  );
  return failures.length === 0 ? 0 : 1;
}

class Run {
  readonly #server: EmbedderDaemon;
  readonly #references = references().fitting;
  readonly #fresh = this.#references.filter(({ tokens }) => tokens <= LONGEST);
  readonly kinds = new Map<Kind, number>();
  readonly failures: string[] = [];
  requests = 0;
  asked = 0;
  cached = 0;
  compared = 0;
  least = 1;

  constructor(server: EmbedderDaemon) {
    this.#server = server;
  }

  /** Sends request number `n` and checks its answer. Returns the ms that it took. */
  async send(n: number): Promise<number> {
    const kind = KINDS[n % KINDS.length] ?? "one";
    const asked = Array.from({ length: COUNT[kind] }, (_, at) => this.#text(this.asked + at));
    this.requests++;
    this.asked += asked.length;
    this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
    const from = performance.now();
    try {
      const told = await this.#ask(kind, asked);
      this.cached += told.cached;
      this.#check(kind, asked, told.vectors);
    } catch (thrown) {
      this.failures.push(`${kind} ${n}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    }
    return performance.now() - from;
  }

  /** One in two a hot text, one in sixteen a reference that was not asked for lately, the others never seen before. */
  #text(n: number): Asked {
    const pool = n % 2 === 0 ? this.#references.slice(0, HOT) : n % 16 === 1 ? this.#references : undefined;
    if (pool) {
      const reference = pool[(n * 7919) % pool.length];
      if (reference) return { text: reference.text, reference };
    }
    return { text: `${n} ${this.#fresh[n % this.#fresh.length]?.text}`, reference: undefined };
  }

  async #ask(kind: Kind, asked: readonly Asked[]): Promise<Told> {
    const input = asked.map(({ text }) => text);
    if (kind === "bulk") return await this.#bulk(input);
    const path = kind === "openai" ? "/v1/embeddings" : "/api/embed";
    const how = kind === "openai" ? { encoding_format: "base64" } : {};
    const response = await this.#server.post(path, { input: kind === "one" ? input[0] : input, ...how });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${response.status} ${text.slice(0, 300)}`);
    const answer = JSON.parse(text);
    const cached = Number(/hits=(\d+)/.exec(response.headers.get("X-NPU-Proxy-Embedding-Cache") ?? "")?.[1]);
    if (kind !== "openai") return { vectors: answer.embeddings, cached };
    const data: { index: number; embedding: string }[] = answer.data;
    if (data.some(({ index }, at) => index !== at)) throw new Error("the indexes are not in order");
    return { vectors: data.map(({ embedding }) => floats(embedding)), cached };
  }

  async #bulk(input: readonly string[]): Promise<Told> {
    const lines = input.map((text) => `${JSON.stringify(text)}\n`).join("");
    const { status, text } = await this.#server.postLines("/api/embed/bulk?encoding_format=base64", lines);
    if (status !== 200) throw new Error(`${status} ${text.slice(0, 300)}`);
    const answers = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const end = answers.pop();
    if (end?.done !== true) throw new Error(`the bulk ended with ${JSON.stringify(end)}`);
    const wrong = answers.find(({ line, error }, at) => line !== at + 1 || error !== undefined);
    if (wrong) throw new Error(`the bulk has a line ${JSON.stringify(wrong).slice(0, 300)}`);
    return { vectors: answers.map(({ embedding }) => floats(embedding)), cached: end.cached };
  }

  #check(kind: Kind, asked: readonly Asked[], vectors: Told["vectors"]): void {
    if (vectors.length !== asked.length) throw new Error(`${vectors.length} vectors for ${asked.length} texts`);
    for (const [at, { text, reference }] of asked.entries()) {
      const vector = vectors[at] ?? [];
      if (!(cosine(vector, vector) > 0)) throw new Error(`no vector for ${JSON.stringify(text.slice(0, 80))}`);
      if (!reference) continue;
      const alike = cosine(reference.vector, vector);
      this.compared++;
      this.least = Math.min(this.least, alike);
      if (!(alike >= SAME))
        throw new Error(`${kind}, place ${at}: cosine ${alike} for ${JSON.stringify(text.slice(0, 80))}`);
    }
  }
}

function floats(base64: string): Float32Array {
  return new Float32Array(new Uint8Array(Buffer.from(base64, "base64")).buffer);
}
