/** Whether a daemon is as it should be once everything is put back. */
import { readdirSync, readFileSync } from "node:fs";
import { type Daemon, isAlive } from "../support/daemon.ts";
import type { Question } from "./questions.ts";

const WITHIN_MS = 60_000;
const DEVICES = ["CPU", "NPU"] as const;

/** What is not as it should be: a model that does not answer on a device, work that is left, a zombie, a lost runner. */
export async function faultsAfterwards(
  daemon: Daemon,
  models: readonly string[],
  question: Question,
  mostRunners: number,
): Promise<string[]> {
  const over = performance.now() + WITHIN_MS;
  const faults: string[] = [];
  /** Tries until nothing is wrong, or time is over. */
  const settle = async (fault: () => Promise<string | undefined>): Promise<void> => {
    for (;;) {
      const found = await fault();
      if (found === undefined) return;
      if (performance.now() > over) {
        faults.push(`a minute afterwards ${found}`);
        return;
      }
      await Bun.sleep(250);
    }
  };
  for (const model of models)
    for (const device of DEVICES) await settle(() => answerFault(daemon.url, model, device, question));
  await settle(async () => {
    const { queue } = (await (await fetch(`${daemon.url}/health`)).json()) as {
      queue: { waiting: number; running: number };
    };
    return queue.waiting + queue.running > 0 ? `${queue.waiting} requests wait and ${queue.running} run` : undefined;
  });
  await settle(async () => {
    const zombies = zombiesOf(daemon.pid);
    return zombies.length > 0 ? `there are ${zombies.length} zombies` : undefined;
  });
  await settle(async () => {
    const { length } = daemon.runners();
    return length > mostRunners ? `there are ${length} runners` : undefined;
  });
  return faults;
}

/** Stops the daemon as a service manager would. @param seen process ids that its runners had */
export async function faultsOfStopping(daemon: Daemon, seen: ReadonlySet<number>): Promise<string[]> {
  daemon.kill("SIGTERM");
  const code = await daemon.exited;
  const left = [...seen].filter(isRunner);
  return [
    ...(code === 0 ? [] : [`the daemon ended with ${code}`]),
    ...(left.length === 0 ? [] : [`${left.length} runners outlived the daemon`]),
  ];
}

async function answerFault(
  url: string,
  model: string,
  device: string,
  { messages, answer }: Question,
): Promise<string | undefined> {
  const body = JSON.stringify({ model, messages, stream: false, options: { temperature: 0 } });
  const response = await fetch(`${url}/api/chat`, { method: "POST", body, headers: { "X-NPU-Proxy-Device": device } });
  const told = await response.text();
  const where = response.headers.get("x-npu-proxy-device");
  if (response.ok && where === device && JSON.parse(told).message.content === answer) return undefined;
  return `${model} on ${device} says ${response.status} ${where ?? ""} ${told.slice(0, 200)}`;
}

/** Children that ended and that nobody has asked for. */
function zombiesOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => {
      const [state, parent] = fileOf(child, "stat")
        .replace(/^.*\) /s, "")
        .split(" ");
      return state === "Z" && Number(parent) === pid;
    });
}

/** Its process id may be another's by now. */
function isRunner(pid: number): boolean {
  return isAlive(pid) && fileOf(pid, "cmdline").split("\0").includes("runner");
}

function fileOf(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return ""; // it ended meanwhile
  }
}
