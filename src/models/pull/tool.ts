/** A program of somebody else's that takes its time: its lines as they come, and no process of it left behind. */
import { ProxyError } from "../../core/errors.ts";

/** Characters of the last lines that are kept to explain a failure. */
const KEPT = 4000;
/** A line that never ends is no line. */
const LONGEST_LINE = 2000;

/**
 * Runs a command and yields what it prints on both outputs, line by line; a progress bar's carriage returns end lines too,
 * and colours are left out. Leaving early, or the signal, kills the whole process group.
 * @param name the program as users know it; `byHand`: the command that they can run themselves
 * @throws ProxyError conversion_failed
 */
export async function* runTool(
  command: readonly string[],
  { name, byHand }: { readonly name: string; readonly byHand: string },
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  signal.throwIfAborted();
  const child = start(command, name);
  const kill = (): void => killGroup(child.pid);
  signal.addEventListener("abort", kill, { once: true });
  let last = "";
  try {
    for await (const line of merged([linesOf(child.stdout), linesOf(child.stderr)])) {
      last = `${last}\n${line}`.slice(-KEPT);
      yield line;
    }
    const code = await child.exited;
    signal.throwIfAborted();
    if (code !== 0)
      throw new ProxyError(
        "conversion_failed",
        `${name} could not convert this model (${child.signalCode ?? `exit code ${code}`}); the log has its last words. ` +
          `To try it by hand: \`${byHand}\`.`,
        { detail: last.trim() },
      );
  } finally {
    signal.removeEventListener("abort", kill);
    kill();
    await child.exited;
  }
}

function start(command: readonly string[], name: string): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  const [file = "", ...args] = command;
  try {
    // A group of its own: uvx starts a Python that starts others, and all of them have to end.
    return Bun.spawn([file, ...args], { stdio: ["ignore", "pipe", "pipe"], detached: true });
  } catch (error) {
    throw new ProxyError("conversion_failed", `${name} does not start. Install it anew, or take it off the PATH.`, {
      detail: error instanceof Error ? error.message : String(error),
      cause: error,
    });
  }
}

function killGroup(pid: number): void {
  if (process.platform === "win32") {
    Bun.spawnSync(["taskkill", "/T", "/F", "/PID", String(pid)]);
    return;
  }
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All of it is gone.
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/[\r\n]+/);
    rest = (lines.pop() ?? "").slice(0, LONGEST_LINE);
    yield* lines.map(plain).filter(Boolean);
  }
  if (plain(rest)) yield plain(rest);
}

function plain(line: string): string {
  return Bun.stripANSI(line).trim().slice(0, LONGEST_LINE);
}

/** The lines of several sources in the order in which they come; each source waits until its line was taken. */
async function* merged(sources: readonly AsyncGenerator<string, void, undefined>[]): AsyncGenerator<string> {
  const pull = async (source: AsyncGenerator<string, void, undefined>) => ({ source, result: await source.next() });
  const pending = new Map(sources.map((source) => [source, pull(source)]));
  while (pending.size > 0) {
    const { source, result } = await Promise.race(pending.values());
    if (result.done) pending.delete(source);
    else {
      pending.set(source, pull(source));
      yield result.value;
    }
  }
}
