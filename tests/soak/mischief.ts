/** What may go wrong on a machine, at random moments: to runners, to the files of models, to the disk. */
import { cpSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, isAlive } from "../support/daemon.ts";
import { DEMO } from "../support/demo.ts";
import type { Draw } from "./draw.ts";
import type { SmallDisk } from "./small-disk.ts";

/** Between two deeds, in ms. */
const PAUSE = { least: 500, most: 3500 } as const;
/** Until a deed is undone, in ms. */
const LASTS = { least: 500, most: 5000 } as const;
/** Of those that are stopped or short of memory: the others stay so until the daemon has noticed, or to the end. */
const UNDONE_SOON = 0.5;
/** Beyond what a runner has when its memory is limited, in bytes. */
const HEADROOM = 1 << 20;
/** Of util-linux. */
const CAN_LIMIT = Bun.which("prlimit") !== null;
const VITAL_FILES = ["openvino_model.bin", "openvino_model.xml", "openvino_tokenizer.xml", "config.json"];

export interface Scene {
  readonly daemon: Daemon;
  readonly disk: SmallDisk;
  /** The folder of the models that may be harmed, and another on the same disk. */
  readonly store: string;
  readonly aside: string;
  readonly models: readonly string[];
}

/** How to put it back; nothing where there was nothing to do it to. */
type Undo = () => void;
type Deed = () => Promise<Undo | undefined> | Undo | undefined;

export class Mischief {
  readonly #scene: Scene;
  readonly #draw: Draw;
  readonly #deeds: ReadonlyMap<string, Deed>;
  readonly #done = new Map<string, number>();
  readonly #undo = new Map<Undo, ReturnType<typeof setTimeout> | undefined>();
  /** Models that are not as they should be. */
  readonly #harmed = new Set<string>();
  #full = false;
  #bag: string[] = [];
  #running = true;
  #over: Promise<void> = Promise.resolve();

  constructor(scene: Scene, draw: Draw) {
    this.#scene = scene;
    this.#draw = draw;
    const deeds: Record<string, Deed> = {
      SIGKILL: () => this.#signal("SIGKILL"),
      SIGSEGV: () => this.#signal("SIGSEGV"),
      SIGSTOP: () => this.#signal("SIGSTOP", (pid) => process.kill(pid, "SIGCONT")),
      ...(CAN_LIMIT && { "out of memory": () => this.#limitMemory() }),
      "file gone": () => this.#harm((model) => this.#moveAway(model, draw.pick(VITAL_FILES))),
      "model gone": () => this.#harm((model) => this.#moveAway(model)),
      "model deleted": () => this.#harm((model) => this.#delete(model)),
      ...(scene.disk.mounted && { "disk full": () => this.#fillDisk() }),
    };
    this.#deeds = new Map(Object.entries(deeds));
  }

  /** What it does, and how often it did that. */
  get counts(): ReadonlyMap<string, number> {
    return new Map([...this.#deeds.keys(), ...this.#done.keys()].map((deed) => [deed, this.#done.get(deed) ?? 0]));
  }

  /** What cannot be done on this machine. */
  get skipped(): readonly string[] {
    return [
      ...(CAN_LIMIT ? [] : ["out of memory (there is no prlimit)"]),
      ...(this.#scene.disk.mounted ? [] : ["disk full (no file system may be mounted)"]),
    ];
  }

  start(): void {
    this.#over = this.#run();
    this.#over.catch(() => undefined); // stop() tells
  }

  /** Does no more, and puts back what it did. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#over;
    this.#scene.disk.free(); // or nothing could be copied back
    for (const undo of [...this.#undo.keys()]) this.#putBack(undo);
  }

  async #run(): Promise<void> {
    while (this.#running) {
      await Bun.sleep(this.#draw.between(PAUSE.least, PAUSE.most));
      if (!isAlive(this.#scene.daemon.pid)) return;
      // Each sort once before any comes again.
      if (this.#bag.length === 0) this.#bag = this.#draw.shuffled([...this.#deeds.keys()]);
      const name = this.#bag.pop() ?? "";
      const undo = await this.#deeds.get(name)?.();
      if (!undo) {
        this.#bag.unshift(name);
        continue;
      }
      this.#count(name);
      this.#undoLater(undo, name);
    }
  }

  #count(name: string): void {
    this.#done.set(name, (this.#done.get(name) ?? 0) + 1);
  }

  #undoLater(undo: Undo, name: string): void {
    const stays = (name === "SIGSTOP" || name === "out of memory") && !this.#draw.chance(UNDONE_SOON);
    const after = this.#draw.between(LASTS.least, LASTS.most);
    this.#undo.set(undo, stays ? undefined : setTimeout(() => this.#putBack(undo), after));
  }

  #putBack(undo: Undo): void {
    clearTimeout(this.#undo.get(undo));
    try {
      undo();
      this.#undo.delete(undo);
    } catch (error) {
      // The disk is full now, so that a model cannot be copied back yet.
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC" || !this.#running) throw error;
      this.#undo.set(
        undo,
        setTimeout(() => this.#putBack(undo), LASTS.most),
      );
    }
  }

  #signal(signal: NodeJS.Signals, undo: (pid: number) => void = () => undefined): Undo | undefined {
    return this.#toRunner((pid) => process.kill(pid, signal), undo);
  }

  /** What it asks for from now on it does not get: RLIMIT_DATA counts private writable memory. */
  #limitMemory(): Undo | undefined {
    const limit = (pid: number, bytes: string): void => {
      const { exitCode, stderr } = Bun.spawnSync(["prlimit", "--pid", String(pid), `--data=${bytes}:`]);
      if (exitCode !== 0 && isAlive(pid)) throw new Error(`prlimit: ${stderr}`);
    };
    const has = (pid: number): number =>
      Number(/^VmData:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
    return this.#toRunner(
      (pid) => limit(pid, String(has(pid) + HEADROOM)),
      (pid) => limit(pid, "unlimited"),
    );
  }

  #toRunner(act: (pid: number) => void, undo: (pid: number) => void): Undo | undefined {
    const { daemon } = this.#scene;
    const runners = daemon.runners();
    if (runners.length === 0) return undefined;
    const pid = this.#draw.pick(runners);
    try {
      act(pid);
    } catch (error) {
      if (isAlive(pid)) throw error;
      return undefined; // it ended on its own meanwhile
    }
    return () => {
      if (daemon.runners().includes(pid)) undo(pid);
    };
  }

  /** To a model that is whole; told apart by whether it was loaded. */
  async #harm(act: (model: string) => Undo): Promise<Undo | undefined> {
    const whole = this.#scene.models.filter((model) => !this.#harmed.has(model));
    if (whole.length === 0) return undefined;
    const model = this.#draw.pick(whole);
    const { models } = (await (await fetch(`${this.#scene.daemon.url}/api/ps`)).json()) as {
      models: { name: string }[];
    };
    this.#count(models.some(({ name }) => name.startsWith(model)) ? "of a loaded model" : "of a model not loaded");
    this.#harmed.add(model);
    const undo = act(model);
    return () => {
      undo();
      this.#harmed.delete(model);
    };
  }

  #moveAway(model: string, file = ""): Undo {
    const [from, to] = [join(this.#scene.store, model, file), join(this.#scene.aside, model + file)];
    renameSync(from, to);
    return () => renameSync(to, from);
  }

  #delete(model: string): Undo {
    const folder = join(this.#scene.store, model);
    rmSync(folder, { recursive: true });
    return () => cpSync(DEMO, folder, { recursive: true });
  }

  #fillDisk(): Undo | undefined {
    if (this.#full) return undefined;
    this.#full = true;
    this.#scene.disk.fill();
    return () => {
      this.#scene.disk.free();
      this.#full = false;
    };
  }
}
