/** The real command line as a real process, with a home of its own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = join(import.meta.dir, "..", "..", "src", "main.ts");

export type Child = Bun.Subprocess<"pipe", "pipe", "pipe">;

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A temporary home and the processes started in it; disposing ends and removes them all. */
export class Home implements AsyncDisposable {
  readonly directory: string;
  readonly #processes: Bun.Subprocess[] = [];

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<Home> {
    return new Home(await mkdtemp(join(tmpdir(), "npu-proxy-cli-")));
  }

  /** Nothing of the caller's settings, folders and proxies. */
  environment(extra: Record<string, string> = {}): Record<string, string> {
    return { PATH: process.env["PATH"] ?? "", HOME: this.directory, TERM: "xterm", NO_COLOR: "1", ...extra };
  }

  start(args: readonly string[], env: Record<string, string> = {}, file = MAIN): Child {
    const child = Bun.spawn([process.execPath, file, ...args], {
      env: this.environment(env),
      cwd: this.directory,
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#processes.push(child);
    return child;
  }

  async run(
    args: readonly string[],
    options: { env?: Record<string, string>; stdin?: string } = {},
  ): Promise<Finished> {
    const child = this.start(args, options.env);
    await child.stdin.write(options.stdin ?? "");
    await child.stdin.end();
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, stdout, stderr };
  }

  /** The command at a terminal of its own. */
  terminal(args: readonly string[], env: Record<string, string> = {}, cols = 120): Screen {
    const screen = new Screen(cols);
    const child = Bun.spawn([process.execPath, MAIN, ...args], {
      env: this.environment(env),
      cwd: this.directory,
      terminal: { cols, rows: 40, data: (_, data) => screen.receive(data) },
    });
    this.#processes.push(child);
    screen.attach(child);
    return screen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#processes) child.kill("SIGKILL");
    await Promise.all(this.#processes.map((child) => child.exited));
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Reads a stream until the pattern matches what came so far; resolves with all of that. */
export async function until(stream: ReadableStream<Uint8Array>, pattern: RegExp): Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      if (pattern.test(text)) return text;
      const { done, value } = await reader.read();
      if (done) throw new Error(`Ended without ${pattern}: ${text}`);
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    reader.releaseLock();
  }
}

/** What a terminal shows, and the keys it sends. */
export class Screen {
  readonly #decoder = new TextDecoder();
  readonly #cols: number;
  #process: Bun.Subprocess | undefined;
  #text = "";
  #changed = Promise.withResolvers<void>();

  constructor(cols: number) {
    this.#cols = cols;
  }

  attach(process: Bun.Subprocess): void {
    this.#process = process;
  }

  receive(data: Uint8Array): void {
    this.#text += this.#decoder.decode(data, { stream: true });
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Everything sent to it. */
  get raw(): string {
    return this.#text;
  }

  /** Everything shown so far, without the control sequences that move the cursor. */
  get text(): string {
    return Bun.stripANSI(this.#text).replaceAll("\r", "");
  }

  /** The lines as they stand there now: what was drawn over is gone. (Of the control sequences: those that Bars draws with.) */
  get lines(): string[] {
    const lines: string[][] = [[]];
    let [row, column] = [0, 0];
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's own
    for (const [token, rows] of this.#text.matchAll(/\u001b\[(\d*)[A-Z]|[^\u001b]/gu)) {
      if (token === "\n") row += 1;
      else if (token === "\r") column = 0;
      else if (token.endsWith("A") && token.length > 1) row = Math.max(0, row - Number(rows || 1));
      else if (token === "\u001b[J") lines.splice(row + 1);
      if (token === "\u001b[K" || token === "\u001b[J") lines[row]?.splice(column);
      else if (token.length === 1 && token >= " ") {
        if (column === this.#cols) [row, column] = [row + 1, 0]; // it wraps
        while (lines.length <= row) lines.push([]);
        lines[row]?.splice(column++, 1, token);
      }
      while (lines.length <= row) lines.push([]);
    }
    return lines.map((line) =>
      Array.from(line, (letter) => letter ?? " ")
        .join("")
        .trimEnd(),
    );
  }

  type(keys: string): void {
    this.#process?.terminal?.write(keys);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  /** Resolves with the text after the first match behind `from`; a test's own timeout ends a wait in vain. */
  async shows(pattern: RegExp, from = 0): Promise<number> {
    for (;;) {
      const match = pattern.exec(this.text.slice(from));
      if (match) return from + match.index + match[0].length;
      await this.#changed.promise;
    }
  }

  async exited(): Promise<number> {
    return (await this.#process?.exited) ?? -1;
  }
}
