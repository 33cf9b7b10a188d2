/**
 * One pull in a process of its own, to be killed or measured: `bun tests/support/pull-child.ts ENDPOINT STORE NAME`.
 * Prints a line when it is ready, waits for one on its input, and prints the store's answer and its memory as JSON.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createModelLibrary } from "../../src/models/library.ts";

/** What the child prints at its end. */
export interface PullChildAnswer {
  readonly unchanged: boolean;
  readonly ms: number;
  /** In bytes: before the pull, and the highest since the process started. */
  readonly idle: number;
  readonly peak: number;
}

async function main([endpoint = "", store = "", name = ""]: readonly string[]): Promise<void> {
  const { library } = createModelLibrary({
    directories: { models: store, system: undefined },
    configDirectory: store,
    cacheDirectory: join(store, ".cache"),
    endpoint,
    token: "",
    observer: { log: () => undefined },
    devices: async () => [],
    converter: {
      plan: () => ({ with: "nothing", advice: "nothing is converted here." }),
      convert: () => {
        throw new Error("nothing is converted here");
      },
    },
    builtin: async () => ({}),
    compiled: { list: async () => [], remove: async () => false },
    patience: { stallMs: 30_000, backoffMs: 10 },
  });
  const idle = memory("VmRSS");
  console.log("ready");
  for await (const _ of Bun.stdin.stream()) break;
  const started = performance.now();
  for await (const event of library.pull({ name }, new AbortController().signal))
    if (event.type === "done") {
      const answer: PullChildAnswer = {
        unchanged: event.unchanged,
        ms: performance.now() - started,
        idle,
        peak: memory("VmHWM"),
      };
      console.log(JSON.stringify(answer));
    }
}

/** A line of /proc/self/status, in bytes. */
function memory(line: "VmRSS" | "VmHWM"): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(new RegExp(`${line}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024;
}

await main(process.argv.slice(2));
