/**
 * `bun run soak chaos [--minutes M] [--seed S]`: three models on CPU and emulated NPU under mixed calls, while runners are
 * killed, stopped and short of memory, model files vanish and the disk fills. Exits with 1 where a call ends as neither
 * an answer nor one clear error, or after its deadline, or where the daemon grows or does not recover.
 * The test of the same name checks all but the time.
 */
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setup } from "../../build/setup.ts";
import { type Daemon, isAlive, startDaemon } from "../support/daemon.ts";
import { DEMO } from "../support/demo.ts";
import { DEADLINES, drawCall, NPU_LIMITS } from "./call.ts";
import { type CallEnd, makeCall, overrun, type Wait } from "./caller.ts";
import { Draw } from "./draw.ts";
import { Mischief } from "./mischief.ts";
import { certainQuestions } from "./questions.ts";
import { faultsAfterwards, faultsOfStopping } from "./recovery.ts";
import { drift, quarterOf, type Sample, sample } from "./samples.ts";
import { SmallDisk } from "./small-disk.ts";

const COPIES = ["one", "two"];
const MODELS = ["demo", ...COPIES];
const CLIENTS = 24;
const MAX_LOADED = 4;
/** Beside the placements: the tokenizers, and one that probes. */
const OTHER_RUNNERS = 2;
/** Calls until another model is the one that most are for. */
const FAVOURITE_FOR = 150;
const SAMPLES = 40;
/** Beyond a deadline, in ms: this machine does much else meanwhile. */
const MARGIN = 5000;
const SHOWN_FAILURES = 20;

export interface ChaosReport {
  readonly calls: number;
  readonly seconds: number;
  readonly ends: ReadonlyMap<CallEnd["kind"], number>;
  /** By status and code. */
  readonly errors: ReadonlyMap<string, number>;
  readonly deeds: ReadonlyMap<string, number>;
  readonly skipped: readonly string[];
  readonly failures: readonly string[];
  /** Calls that ended after their deadline and its margin. */
  readonly late: readonly string[];
  /** What grew beyond its bound. */
  readonly drifted: readonly string[];
  readonly samples: readonly Sample[];
  readonly slowest: { readonly sort: string; readonly wait: Wait };
  /** Until all was well again, in seconds. */
  readonly recovered: number;
}

export async function chaos(minutes: number, seed: number): Promise<ChaosReport> {
  const questions = await certainQuestions(true);
  const [question] = questions;
  if (!question) throw new Error("There is nothing to ask.");
  using disk = new SmallDisk();
  const [store, aside] = [join(disk.path, "models"), join(disk.path, "aside")];
  mkdirSync(aside);
  for (const name of COPIES) cpSync(DEMO, join(store, name), { recursive: true });
  await using daemon = await startDaemon(settingsOf(disk.path, store));
  const mischief = new Mischief({ daemon, disk, store, aside, models: COPIES }, new Draw(seed));
  const tally = new Tally();
  const started = performance.now();
  const ends = started + minutes * 60_000;
  let calls = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < ends && isAlive(daemon.pid)) {
      const n = calls++;
      const favourite = MODELS[Math.floor(n / FAVOURITE_FOR) % MODELS.length] ?? "";
      const call = drawCall(new Draw(seed * 1_000_003 + n), { models: MODELS, favourite, questions });
      tally.add(call.sort, await makeCall(daemon.url, call));
    }
  };
  const watching = tally.watch(daemon, ends, (minutes * 60_000) / SAMPLES);
  mischief.start();
  await Promise.all([watching, ...Array.from({ length: CLIENTS }, client)]);
  if (!isAlive(daemon.pid))
    throw new Error(`The daemon ended with ${await daemon.exited}:\n${daemon.log().slice(-5000)}`);
  await mischief.stop();
  const stopped = performance.now();
  const faults = await faultsAfterwards(daemon, MODELS, question, MAX_LOADED + OTHER_RUNNERS);
  const recovered = (performance.now() - stopped) / 1000;
  for (const pid of daemon.runners()) tally.seen.add(pid);
  faults.push(...(await faultsOfStopping(daemon, tally.seen)));
  const mistakes = daemon.log().match(/^.* code=internal_error .*$/gm) ?? [];
  return {
    ...tally,
    calls,
    seconds: (stopped - started) / 1000,
    deeds: mischief.counts,
    skipped: mischief.skipped,
    failures: [...tally.failures, ...faults, ...mistakes],
    drifted: drift(tally.samples, ["daemonMiB", "daemonFiles"]),
    recovered,
  };
}

/** Returns the exit code. */
export async function soakChaos(args: readonly string[]): Promise<number> {
  const options = { minutes: { type: "string", default: "30" }, seed: { type: "string", default: "1" } } as const;
  const { values } = parseArgs({ args: [...args], options });
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (!(minutes > 0 && Number.isInteger(seed))) {
    console.error("--minutes is a number above 0, --seed a whole one.");
    return 2;
  }
  process.env["NPU_PROXY_RUNTIME_DIR"] ??= await setup();
  const report = await chaos(minutes, seed);
  for (const line of linesOf(report)) console.log(line);
  const faults = [...report.failures, ...report.late, ...report.drifted];
  for (const fault of faults.slice(0, SHOWN_FAILURES)) console.log(`FAIL ${fault}`);
  if (faults.length > SHOWN_FAILURES) console.log(`and ${faults.length - SHOWN_FAILURES} more`);
  return faults.length === 0 ? 0 : 1;
}

function settingsOf(folder: string, store: string): Record<string, string> {
  return {
    NPU_PROXY_NPU_EMULATION: "cpu",
    NPU_PROXY_MAX_LOADED: String(MAX_LOADED),
    NPU_PROXY_KEEP_ALIVE: "2s",
    NPU_PROXY_TOKEN_LIMIT: String(NPU_LIMITS.routed),
    NPU_PROXY_MAX_PROMPT_LEN: String(NPU_LIMITS.compiled),
    NPU_PROXY_QUEUE_TIMEOUT: String(DEADLINES.queue),
    NPU_PROXY_INFERENCE_TIMEOUT: String(DEADLINES.inference),
    NPU_PROXY_TOKEN_TIMEOUT: String(DEADLINES.token),
    NPU_PROXY_LOAD_TIMEOUT: String(DEADLINES.load),
    NPU_PROXY_MODEL_PATH: store,
    NPU_PROXY_CACHE_DIR: join(folder, "cache"),
    NPU_PROXY_STATE_DIR: join(folder, "state"),
    NPU_PROXY_LOG_LEVEL: "warn",
  };
}

class Tally {
  readonly ends = new Map<CallEnd["kind"], number>();
  readonly errors = new Map<string, number>();
  readonly failures: string[] = [];
  readonly late: string[] = [];
  readonly samples: Sample[] = [];
  /** Process ids of runners. */
  readonly seen = new Set<number>();
  slowest = { sort: "none", wait: { waited: 0, allowed: Number.POSITIVE_INFINITY } };
  #times: number[] = [];

  add(sort: string, { kind, error, what, wait, ms }: CallEnd): void {
    this.ends.set(kind, (this.ends.get(kind) ?? 0) + 1);
    if (error !== undefined) this.errors.set(error, (this.errors.get(error) ?? 0) + 1);
    if (what !== undefined) this.failures.push(what);
    if (overrun(wait) > MARGIN) this.late.push(`${sort} waited ${seconds(wait.waited)} of ${seconds(wait.allowed)}`);
    if (overrun(wait) > overrun(this.slowest.wait)) this.slowest = { sort, wait };
    this.#times.push(ms);
  }

  async watch(daemon: Daemon, ends: number, every: number): Promise<void> {
    for (let from = performance.now(); from < ends && isAlive(daemon.pid); from = performance.now()) {
      await Bun.sleep(every);
      for (const pid of daemon.runners()) this.seen.add(pid);
      this.samples.push(sample(daemon, this.#times.length, performance.now() - from, this.#times));
      this.#times = [];
    }
  }
}

function linesOf(report: ChaosReport): string[] {
  const { calls, seconds: ran, samples, slowest, skipped } = report;
  const quarters = (key: keyof Sample): string =>
    `${quarterOf(samples, 0, key).toFixed(0)} in the first quarter, ${quarterOf(samples, 3, key).toFixed(0)} in the last`;
  return [
    `${calls} calls in ${ran.toFixed(0)} s: ${told(report.ends)}`,
    `errors: ${told(report.errors)}`,
    `done to it: ${told(report.deeds)}${skipped.length > 0 ? `; skipped: ${skipped.join(", ")}` : ""}`,
    `slowest against its deadline: ${slowest.sort}, ${seconds(slowest.wait.waited)} of ${seconds(slowest.wait.allowed)}`,
    `daemon: MiB ${quarters("daemonMiB")}; open files ${quarters("daemonFiles")}`,
    `well again after ${report.recovered.toFixed(1)} s; ${report.failures.length} failures, ${report.late.length} late`,
  ];
}

function told(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([what, count]) => `${count} ${what}`).join(", ") || "none";
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
