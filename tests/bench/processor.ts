/** Processor time, which tells what something costs where other work on the machine makes wall times useless. */
import { readdirSync, readFileSync } from "node:fs";

/** Time that the living threads of these processes ran so far, in ns (Linux's schedstat). */
export function processorNs(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids)
    for (const thread of readdirSync(`/proc/${pid}/task`)) total += threadNs(`/proc/${pid}/task/${thread}/schedstat`);
  return total;
}

function threadNs(file: string): number {
  try {
    return Number(readFileSync(file, "utf8").split(" ")[0]);
  } catch {
    return 0; // it has just ended
  }
}
