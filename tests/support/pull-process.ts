/** A pull in a process of its own, from outside. */
import { join } from "node:path";
import type { PullChildAnswer } from "./pull-child.ts";

export interface PullProcess {
  /** Begins the pull. */
  go(): void;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<number>;
  /** Undefined where it ended before it was done. */
  readonly answer: Promise<PullChildAnswer | undefined>;
  /** What it complained about. */
  readonly errors: Promise<string>;
}

/** Starts the process and waits until it is ready to pull. */
export async function startPull(endpoint: string, store: string, name: string): Promise<PullProcess> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "pull-child.ts"), endpoint, store, name], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  await lines.read();
  const rest = async (): Promise<PullChildAnswer | undefined> => {
    let text = "";
    for (let read = await lines.read(); !read.done; read = await lines.read()) text += read.value;
    return text.endsWith("\n") ? (JSON.parse(text) as PullChildAnswer) : undefined;
  };
  return {
    go: () => {
      void child.stdin.write("go\n");
      void child.stdin.flush();
    },
    kill: (signal) => child.kill(signal),
    exited: child.exited,
    answer: rest(),
    errors: new Response(child.stderr).text(),
  };
}
