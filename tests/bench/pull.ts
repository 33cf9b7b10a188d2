/**
 * `bun tests/bench/pull.ts [--gigabytes N] [--rounds N]`: a pull of one large file from the test hub, verified and on disk,
 * against curl to a file followed by sha256sum, taking turns; the hub is a process of its own. Prints each round, the ratio
 * of the medians (above 1: the pull is faster) and what the pull takes of memory.
 */
import { closeSync, cpSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DEMO, temporaryFolder } from "../support/demo.ts";
import { startPull } from "../support/pull-process.ts";

const NAME = "test/large";
const FILE = "openvino_large.bin";

async function bench(args: readonly string[]): Promise<number> {
  const options = { gigabytes: { type: "string", default: "1" }, rounds: { type: "string", default: "5" } } as const;
  const { values } = parseArgs({ args: [...args], options });
  const [gigabytes, rounds] = [Number(values.gigabytes), Number(values.rounds)];
  if (!(gigabytes > 0 && Number.isInteger(rounds) && rounds > 0)) {
    console.error("--gigabytes is a number above 0, --rounds a whole one.");
    return 2;
  }
  using folder = temporaryFolder();
  const source = join(folder.path, "source");
  cpSync(DEMO, source, { recursive: true });
  writeLarge(join(source, FILE), Math.round(gigabytes * 1000));
  const hub = Bun.spawn([process.execPath, join(import.meta.dir, "..", "support", "hub.ts"), `${NAME}=${source}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const url = await firstLine(hub.stdout);
    const [ours, theirs]: [number[], number[]] = [[], []];
    let extra = 0;
    console.log("round    pull      curl, then sha256sum");
    for (let round = 1; round <= rounds; round++) {
      const pulled = await pull(url, join(folder.path, "store"));
      extra = Math.max(extra, pulled.extra);
      ours.push(pulled.ms);
      theirs.push(await curl(`${url}/${NAME}/resolve/main/${FILE}`, join(folder.path, "curled")));
      console.log(`${String(round).padStart(5)}   ${seconds(ours.at(-1))}   ${seconds(theirs.at(-1))}`);
    }
    const ratio = median(theirs) / median(ours);
    console.log(`${gigabytes} GB: ${ratio.toFixed(2)} times as fast as curl and sha256sum`);
    console.log(`memory: at most ${Math.ceil(extra / 1e6)} MB above idle`);
    return 0;
  } finally {
    hub.kill();
  }
}

/** A pull into a store of its own; `extra` is its highest memory above that of the idle process, in bytes. */
async function pull(url: string, store: string): Promise<{ readonly ms: number; readonly extra: number }> {
  const process = await startPull(url, store, NAME);
  process.go();
  const answer = await process.answer;
  rmSync(store, { recursive: true, force: true });
  if (!answer) throw new Error(`The pull failed: ${await process.errors}`);
  return { ms: answer.ms, extra: answer.peak - answer.idle };
}

async function curl(url: string, path: string): Promise<number> {
  const started = performance.now();
  for (const command of [
    ["curl", "--silent", "--fail", "--location", "--output", path, url],
    ["sha256sum", path],
  ]) {
    const code = await Bun.spawn(command, { stdout: "ignore", stderr: "inherit" }).exited;
    if (code !== 0) throw new Error(`${command[0]} ended with ${code}.`);
  }
  const ms = performance.now() - started;
  rmSync(path);
  return ms;
}

/** Random bytes: nothing on the way can make less of them. */
function writeLarge(path: string, megabytes: number): void {
  mkdirSync(join(path, ".."), { recursive: true });
  const file = openSync(path, "w");
  const piece = new Uint8Array(1_000_000);
  for (let at = 0; at < piece.length; at += 65_536) crypto.getRandomValues(piece.subarray(at, at + 65_536));
  for (let n = 0; n < megabytes; n++) {
    piece[n % piece.length] = n & 255;
    writeSync(file, piece);
  }
  closeSync(file);
}

async function firstLine(output: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of output) {
    text += new TextDecoder().decode(chunk);
    if (text.includes("\n")) break;
  }
  return text.trim();
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function seconds(ms = Number.NaN): string {
  return `${(ms / 1000).toFixed(2)} s`.padStart(7);
}

process.exitCode = await bench(process.argv.slice(2));
