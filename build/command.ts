import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";

export interface CommandOptions {
  readonly cwd?: string;
  /** Added to this process's environment, which children get whole (proxies, certificates, package indexes). */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to the child's standard input, which is then closed; without it the child has none. */
  readonly input?: string;
  /** Called for every line of output as it comes. */
  readonly onLine?: (line: string) => void;
  /** The child writes to this process's own stdout and stderr; `output` stays empty. */
  readonly inherit?: boolean;
  /** The child and its children are ended after this many milliseconds. */
  readonly timeoutMs?: number;
}

export interface CommandResult {
  /** Exit code; 128 + signal number where a signal ended it, 127 where the program is not there. */
  readonly code: number;
  /** stdout and stderr together. */
  readonly output: string;
  readonly timedOut: boolean;
}

const running = new Set<ChildProcess>();

/**
 * Starts "$@" beside a watcher that waits for the end of descriptor 3, a pipe only this process holds open, and then
 * ends their process group: however this process ended, kill -9 included, no installer, download or compiler goes on
 * writing where the next run already works.
 */
const guarded = '(read -r _ <&3; kill -9 0) >/dev/null 2>&1 & exec "$@" 3<&-';

/** Runs a child, and its children, in a process group of its own that never outlives this process. */
export function run(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const stdin = options.input === undefined ? "ignore" : "pipe";
  const out = options.inherit ? "inherit" : "pipe";
  catchSignals();
  return new Promise((resolve) => {
    const child = spawn("/bin/sh", ["-c", guarded, "sh", ...command], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: [stdin, out, out, "pipe"],
      detached: true,
    });
    running.add(child);
    let output = "";
    let timedOut = false;
    const timer = options.timeoutMs
      ? setTimeout(() => {
          timedOut = true;
          endGroup(child, "SIGKILL");
        }, options.timeoutMs)
      : undefined;
    const finish = (code: number, text: string) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ code, output: text, timedOut });
    };
    for (const stream of [child.stdout, child.stderr]) {
      let rest = "";
      stream?.setEncoding("utf8").on("data", (chunk: string) => {
        output += chunk;
        const lines = (rest + chunk).split(/\r?\n|\r/);
        rest = lines.pop() ?? "";
        for (const line of lines) options.onLine?.(line);
      });
    }
    child.stdin?.on("error", () => undefined).end(options.input);
    child.on("exit", () => child.stdio[3]?.destroy());
    child.on("error", (error) => finish(127, error.message));
    child.on("close", (code, signal) => finish(code ?? 128 + (signal ? constants.signals[signal] : 0), output));
  });
}

function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // it has ended by itself
  }
}

let catching = false;

function catchSignals(): void {
  if (catching) return;
  catching = true;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      for (const child of running) endGroup(child, "SIGKILL");
      process.exit(128 + constants.signals[signal]);
    });
}
