/** The daemon's end of one runner process: start, typed messages, its death and why. */
import { ProxyError } from "../core/errors.ts";
import type { Observer } from "../core/ports.ts";
import type { FromRunner, ToRunner } from "../core/runner-protocol.ts";
import { meaningOf } from "../native/errors.ts";
import { oomKills } from "./control-group.ts";

export interface RunnerCommand {
  /** The executable and its arguments up to the hidden command `runner`. */
  readonly command: readonly string[];
  readonly observer: Observer;
  /** How often the kernel has killed a process for want of memory so far. */
  readonly oomKills?: () => number;
}

/** Last lines of a runner's stderr that are kept to explain its death, in characters. */
const STDERR_KEPT = 4000;

export class RunnerConnection {
  readonly pid: number;
  /** Settles when the process is gone, with the reason; never rejects. */
  readonly exited: Promise<ProxyError>;
  readonly #process: Bun.Subprocess;
  #listener: (message: FromRunner) => void = () => undefined;
  #lastError: ProxyError | undefined;
  #stderr = "";
  #heardAt: number | undefined;
  #killed = false;

  constructor({ command, observer, oomKills: kills = oomKills }: RunnerCommand) {
    const [file = "", ...args] = command;
    const child = Bun.spawn([file, ...args], {
      ipc: (message: FromRunner) => this.#receive(message),
      serialization: "json",
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process = child;
    const killsBefore = kills();
    this.pid = child.pid;
    const drained = this.#drain(child.stderr as ReadableStream<Uint8Array>, observer);
    this.exited = child.exited.then(async (code) => {
      await drained;
      return this.#lastError ?? this.#crash(code, child.signalCode, kills() > killsBefore);
    });
  }

  /** When its last message came, by performance.now(); undefined: none came yet. */
  get heardAt(): number | undefined {
    return this.#heardAt;
  }

  /** One listener: the owner of this connection. */
  listen(listener: (message: FromRunner) => void): void {
    this.#listener = listener;
  }

  send(message: ToRunner): void {
    try {
      this.#process.send(message);
    } catch {
      // It is gone or going: `exited` tells everyone who waits.
    }
  }

  /** Ends the process at once; memory and device come back with it. */
  async kill(): Promise<void> {
    this.#killed = true;
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  #receive(message: FromRunner): void {
    this.#heardAt = performance.now();
    if (message.ev === "error" && message.id === undefined) this.#lastError = remoteError(message);
    this.#listener(message);
  }

  async #drain(stream: ReadableStream<Uint8Array>, observer: Observer): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true });
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
      observer.log("debug", "runner stderr", { pid: this.pid, text: text.trimEnd() });
    }
  }

  /** @param killing whether the kernel killed a process for want of memory since this one began */
  #crash(code: number, signal: string | number | null, killing: boolean): ProxyError {
    const detail = this.#stderr.trim();
    const outOfMemory =
      (signal === "SIGKILL" && killing && !this.#killed) ||
      (signal === "SIGABRT" && meaningOf(detail) === "insufficient_memory"); // what C++ does with an allocation nobody catches
    const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
    if (outOfMemory)
      return new ProxyError("insufficient_memory", `The engine process ran out of memory and ${how}.`, { detail });
    return new ProxyError("runner_crashed", `The engine process ${how}; it is started anew for the next request.`, {
      detail,
    });
  }
}

/** An error as a runner told it. */
export function remoteError({ code, message, param, detail }: Extract<FromRunner, { ev: "error" }>): ProxyError {
  return new ProxyError(code, message, {
    ...(param !== undefined && { param }),
    ...(detail !== undefined && { detail }),
  });
}
