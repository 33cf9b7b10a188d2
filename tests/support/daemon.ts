/** A real daemon of this checkout on a free port, with folders of its own. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "./demo.ts";

const MAIN = join(import.meta.dir, "..", "..", "src", "main.ts");

export interface Daemon extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly home: string;
  /** stderr so far. */
  log(): string;
  /** Process ids of its runners. */
  runners(): number[];
  exited: Promise<number>;
  kill(signal: NodeJS.Signals): void;
}

/** The environment of a test's processes: their own folders, the runtime of this checkout, no setting from outside. */
export function testEnvironment(home: string, settings: Record<string, string> = {}): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && (!name.startsWith("NPU_PROXY_") || name === "NPU_PROXY_RUNTIME_DIR"),
  ) as [string, string][];
  const xdg = { XDG_CACHE_HOME: undefined, XDG_CONFIG_HOME: undefined, XDG_STATE_HOME: undefined };
  return { ...Object.fromEntries(kept.filter(([name]) => !(name in xdg))), HOME: home, ...settings };
}

/** Starts `npu-proxy serve --port 0` and waits until it prints its address. */
export async function startDaemon(
  settings: Record<string, string> = {},
  command: readonly string[] = [process.execPath, MAIN],
): Promise<Daemon> {
  const folder = temporaryFolder();
  const child = Bun.spawn([...command, "serve", "--port", "0"], {
    env: testEnvironment(folder.path, settings),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  const collect = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) log += decoder.decode(chunk, { stream: true });
  };
  void collect();
  let greeting = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    greeting += decoder.decode(chunk, { stream: true });
    if (/listens on (http:\S+)/.test(greeting)) break;
  }
  const url = /listens on (http:\S+)/.exec(greeting)?.[1];
  if (!url) throw new Error(`The daemon did not start: ${log}`);
  return {
    url,
    pid: child.pid,
    home: folder.path,
    log: () => log,
    runners: () => childrenOf(child.pid),
    exited: child.exited,
    kill: (signal) => child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
      folder[Symbol.dispose]();
    },
  };
}

/** Living children of a process. */
export function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => parentOf(candidate) === pid);
}

/** True while a process exists and is no zombie. */
export function isAlive(pid: number): boolean {
  return parentOf(pid) !== undefined;
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state = "", parent = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? undefined : Number(parent);
  } catch {
    return undefined;
  }
}

/** Waits until a condition holds; fails by the test's own timeout. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await Bun.sleep(10);
}
