/**
 * `bun run bench embed`: texts of all lengths and single queries through npu-proxy's /v1/embeddings, beside one bare
 * TextEmbeddingPipeline in one Python process, singly or in batches by length, whichever is faster; with `--against URL`
 * beside another server of the same model. All stay loaded and take turns. README.md says how to read it.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { BuildError } from "../../build/build-error.ts";
import { readPins } from "../../build/pins.ts";
import { setup } from "../../build/setup.ts";
import { miniLm } from "../support/minilm.ts";
import { cosine, references, shuffled } from "../support/reference-vectors.ts";
import { ensurePython } from "./bare.ts";
import { bareEmbedder, type EmbedSubject, serverEmbedder } from "./embed-subjects.ts";
import { machine } from "./machine.ts";
import { median } from "./measurement.ts";
import { processorNs } from "./processor.ts";
import { startProduct } from "./product.ts";

/** Leaves room for what makes a text a new one in every round: no cache helps one side only. */
const LONGEST = 240;
/** Queries before each turn that are not counted: while the other side was measured this one's threads slept. */
const AWAKE = 20;
/** Mean cosine of what npu-proxy makes with what the bare pipeline makes. */
const SAME = 0.9999;
/** Another server may split texts of some languages into other tokens. */
const SAME_ELSEWHERE = 0.95;

interface Round {
  readonly textsPerSecond: number;
  /** Processor time of its processes for a text, in ms; 0 of a server elsewhere. */
  readonly processorMs: number;
  /** Median of the single queries, in ms. */
  readonly queryMs: number;
}

interface Result {
  readonly name: string;
  readonly median: Round;
  readonly rounds: readonly Round[];
}

export async function benchEmbed(args: readonly string[]): Promise<number> {
  const options = optionsOf(args);
  const { rounds, texts, queries, against } = options;
  const runtime = await setup();
  process.env["NPU_PROXY_RUNTIME_DIR"] = runtime;
  const python = await ensurePython(readPins());
  const directory = await miniLm();
  const facts = machine();
  await using product = await startProduct(directory, runtime, options.executable);
  const { daemon, model } = product;
  await using bare = await bareEmbedder(python, directory, textsOf(-1, texts));
  const subjects: EmbedSubject[] = [
    bare,
    serverEmbedder("npu-proxy", daemon.url, model, () => [daemon.pid, ...daemon.runners()]),
    ...(against === undefined ? [] : [serverEmbedder(against, against, model)]),
  ];
  await requireSame(subjects);
  const measured: Round[][] = subjects.map(() => []);
  for (let round = 0; round <= rounds; round++)
    for (const [at, subject] of subjects.entries()) {
      const one = await measure(subject, round, texts, queries);
      // Round 0 compiles for the shapes and warms JavaScript up.
      if (round === 0) continue;
      measured[at]?.push(one);
      const { textsPerSecond, queryMs } = one;
      console.log(`${round}. ${subject.name}: ${textsPerSecond.toFixed(1)} texts/s, a query ${queryMs.toFixed(2)} ms`);
    }
  const results = subjects.map(({ name }, at) => result(name, measured[at] ?? []));
  console.log(
    `\n${Object.entries(facts)
      .flatMap((fact) => fact.join(" "))
      .join(", ")}`,
  );
  console.log(`${texts} texts of 3 to ${LONGEST} tokens, ${queries} single queries, medians of ${rounds} rounds\n`);
  console.log(table(results));
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ machine: facts, options, results }, null, 2)}\n`);
  return 0;
}

async function measure(subject: EmbedSubject, round: number, texts: number, queries: number): Promise<Round> {
  await subject.each(queriesOf(`awake ${round}`, AWAKE));
  const before = processorNs(subject.pids());
  const ns = await subject.all(textsOf(round, texts));
  const processor = processorNs(subject.pids()) - before;
  const each = await subject.each(queriesOf(`${round}`, queries));
  return {
    textsPerSecond: texts / (ns / 1e9),
    processorMs: processor / texts / 1e6,
    queryMs: median(each.map((one) => one / 1e6)),
  };
}

/** All lengths in an order that looks random; new texts every round. */
function textsOf(round: number, count: number): string[] {
  const pool = shuffled(references().fitting.filter(({ tokens }) => tokens <= LONGEST));
  return Array.from({ length: count }, (_, at) => `${round} ${at} ${pool[at % pool.length]?.text}`);
}

function queriesOf(turn: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${turn} ${at}: where is the oldest map of the harbour kept?`);
}

/** @throws BuildError where one of them embeds otherwise: nothing to compare */
async function requireSame(subjects: readonly EmbedSubject[]): Promise<void> {
  const texts = textsOf(-2, 32);
  const [first, ...others] = await Promise.all(subjects.map((subject) => subject.vectors(texts)));
  for (const [at, vectors] of others.entries()) {
    const name = subjects[at + 1]?.name;
    const alike = texts.reduce((sum, _, nth) => sum + cosine(first?.[nth] ?? [], vectors[nth]), 0) / texts.length;
    console.log(`${name}: mean cosine with the bare pipeline ${alike.toFixed(5)}`);
    if (!(alike >= (at === 0 ? SAME : SAME_ELSEWHERE)))
      throw new BuildError(`${name} embeds differently: mean cosine ${alike} with the bare pipeline.`);
  }
}

function result(name: string, rounds: readonly Round[]): Result {
  const of = (key: keyof Round): number => median(rounds.map((round) => round[key]));
  const keys = { textsPerSecond: of("textsPerSecond"), processorMs: of("processorMs"), queryMs: of("queryMs") };
  return { name, rounds, median: keys };
}

function table(results: readonly Result[]): string {
  const bare = results[0]?.median ?? { textsPerSecond: Number.NaN, queryMs: Number.NaN };
  const cells = [
    ["", "texts/s", "of bare", "processor ms/text", "query ms", "over bare"],
    ...results.map(({ name, median: { textsPerSecond, processorMs, queryMs } }) => [
      name,
      textsPerSecond.toFixed(1),
      (textsPerSecond / bare.textsPerSecond).toFixed(2),
      processorMs === 0 ? "" : processorMs.toFixed(2),
      queryMs.toFixed(2),
      (queryMs - bare.queryMs).toFixed(2),
    ]),
  ];
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  ");
  return cells.map(line).join("\n");
}

function optionsOf(args: readonly string[]) {
  const text = { type: "string" } as const;
  const all = { texts: text, queries: text, rounds: text, against: text, json: text, executable: text };
  try {
    const { values } = parseArgs({ args: [...args], options: all });
    return {
      texts: whole("--texts", values.texts ?? "2000"),
      queries: whole("--queries", values.queries ?? "200"),
      rounds: whole("--rounds", values.rounds ?? "5"),
      against: values.against?.replace(/\/+$/, ""),
      json: values.json,
      executable: values.executable,
    };
  } catch (thrown) {
    const usage =
      "Usage: bun run bench embed [--texts N] [--queries N] [--rounds N] [--against URL] [--json FILE] [--executable FILE]";
    throw new BuildError(`${thrown instanceof Error ? thrown.message : String(thrown)}\n${usage}`);
  }
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new BuildError(`${name} is "${text}". Expected a whole number of at least 1.`);
}
