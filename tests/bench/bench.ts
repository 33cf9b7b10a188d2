/** `bun run bench`: what npu-proxy costs over bare GenAI, measured in one run. README.md says how to read it. */
import { writeFileSync } from "node:fs";
import { BuildError, runMain } from "../../build/build-error.ts";
import { readPins } from "../../build/pins.ts";
import { setup } from "../../build/setup.ts";
import { ensurePython, startBare } from "./bare.ts";
import { runStreams } from "./client.ts";
import { machine } from "./machine.ts";
import { medianOf, type Numbers, numbersOf, type StreamTimes } from "./measurement.ts";
import { modelFolder } from "./model.ts";
import { benchOptions } from "./options.ts";
import { startProduct } from "./product.ts";
import { type Row, resultTable } from "./table.ts";

type Measure = (prompts: readonly string[]) => Promise<readonly StreamTimes[]>;

async function bench(args: readonly string[]): Promise<number> {
  const options = benchOptions(args);
  const { tokens, rounds, against } = options;
  const runtime = await setup();
  const python = await ensurePython(readPins());
  const directory = await modelFolder(options.model, python);
  const facts = machine();
  await using bare = await startBare(python, directory);
  await using product = await startProduct(directory, runtime, options.executable);
  const measures: Record<"bare" | "product" | "against", Measure | undefined> = {
    bare: (prompts) => bare.measure(prompts, tokens),
    product: (prompts) => runStreams(product.daemon.url, product.model, prompts, tokens),
    against: against === undefined ? undefined : (prompts) => runStreams(against, product.model, prompts, tokens),
  };
  const results: { streams: number; rounds: Record<keyof typeof measures, Numbers[]> }[] = [];
  for (const streams of options.streams) {
    const measured: Record<keyof typeof measures, Numbers[]> = { bare: [], product: [], against: [] };
    // Round 0 compiles for these shapes and is thrown away.
    for (let round = 0; round <= rounds; round++) {
      const prompts = Array.from({ length: streams }, (_, stream) => promptOf(streams, round, stream));
      const lengths = new Map<string, string>();
      for (const [who, measure] of Object.entries(measures)) {
        if (!measure) continue;
        const times = await measure(prompts);
        checkCounts(who, times, tokens);
        if (who !== "against") lengths.set(who, times.map(({ promptTokens }) => promptTokens).join());
        if (round > 0) measured[who as keyof typeof measures].push(numbersOf(times));
      }
      if (new Set(lengths.values()).size > 1)
        throw new BuildError("npu-proxy and the bare pipeline made prompts of different lengths of the same messages.");
    }
    results.push({ streams, rounds: measured });
    console.log(`${streams} together: ${rounds} rounds measured`);
  }
  const rows: Row[] = results.map(({ streams, rounds: { bare: a, product: b, against: c } }) => ({
    streams,
    bare: medianOf(a),
    product: medianOf(b),
    ...(c.length > 0 && { against: medianOf(c) }),
  }));
  console.log(
    `\n${Object.entries(facts)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ")}`,
  );
  console.log(`model ${options.model}, ${tokens} tokens an answer, greedy, medians of ${rounds} rounds\n`);
  console.log(resultTable(rows, against));
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ machine: facts, options, rows, results }, null, 2)}\n`);
  return 0;
}

/** Every prompt is a new one from its first words on: the prefix cache of either side has seen none of it. */
function promptOf(streams: number, round: number, stream: number): string {
  return (
    `${round}.${stream} of ${streams}: tell me a long story about a small computer that learned to answer questions, ` +
    "about the people who asked them, and about the colours of the sea in the evening."
  );
}

function checkCounts(who: string, times: readonly StreamTimes[], tokens: number): void {
  const short = times.find((stream) => stream.tokens !== tokens);
  if (short)
    throw new BuildError(`${who} made ${short.tokens} tokens where ${tokens} were asked for: nothing to compare.`);
}

void runMain(() => bench(process.argv.slice(2)));
