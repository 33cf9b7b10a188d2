/**
 * `bun run soak switching [N]`: two models take turns under load, N turns (100), with room for one at a time: on the CPU, on
 * the emulated NPU alone, and on the emulated NPU with the CPU serving while it switches. No request may fail.
 */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { setup } from "../../build/setup.ts";
import { startDaemon } from "../support/daemon.ts";
import { DEMO, temporaryFolder } from "../support/demo.ts";
import { outcomeOf } from "./outcome.ts";

/** Requests of each turn. */
const AT_ONCE = 4;

export interface SwitchingReport {
  readonly requests: number;
  readonly failures: readonly string[];
  /** Loads of either model, by device. */
  readonly loads: Readonly<Record<string, number>>;
  /** Answers, by device. */
  readonly answers: Readonly<Record<string, number>>;
}

/** Room for one model; the NPU's shape is small, so that it is compiled soon. */
const SETTINGS = {
  CPU: { NPU_PROXY_DEVICE: "CPU", NPU_PROXY_MAX_LOADED: "1" },
  NPU: { NPU_PROXY_DEVICE: "NPU", NPU_PROXY_MAX_LOADED: "1" },
  "NPU and CPU": { NPU_PROXY_DEVICE: "auto", NPU_PROXY_MAX_LOADED: "3" },
} as const;

export async function switching(devices: keyof typeof SETTINGS, turns: number): Promise<SwitchingReport> {
  using store = temporaryFolder();
  for (const name of ["one", "two"]) cpSync(DEMO, join(store.path, name), { recursive: true });
  await using daemon = await startDaemon({
    NPU_PROXY_MODEL_PATH: store.path,
    NPU_PROXY_NPU_EMULATION: "cpu",
    NPU_PROXY_MAX_PROMPT_LEN: "256",
    ...SETTINGS[devices],
  });
  const failures: string[] = [];
  const answers: Record<string, number> = {};
  let requests = 0;
  const ask = async (model: string): Promise<void> => {
    requests++;
    const response = await fetch(`${daemon.url}/api/chat`, {
      method: "POST",
      body: JSON.stringify({
        model,
        messages: [{ role: "user", content: `Tell me about ${requests} animals.` }],
        options: { num_predict: 12 },
      }),
    });
    const where = response.headers.get("x-npu-proxy-device") ?? "none";
    answers[where] = (answers[where] ?? 0) + 1;
    const outcome = outcomeOf(response.status, await response.text());
    if (outcome.kind !== "answer") failures.push(JSON.stringify(outcome));
  };
  // Each turn begins while the other's requests run.
  let before: Promise<unknown> = Promise.resolve();
  for (let turn = 0; turn < turns; turn++) {
    const model = turn % 2 === 0 ? "one" : "two";
    const now = Promise.all(Array.from({ length: AT_ONCE }, () => ask(model)));
    await before;
    before = now;
  }
  await before;
  const loads: Record<string, number> = {};
  for (const [, where = ""] of daemon.log().matchAll(/ info "?model loaded"? .*?device=(\S+)/g))
    loads[where] = (loads[where] ?? 0) + 1;
  return { requests, failures, loads, answers };
}

/** Returns the exit code. */
export async function soakSwitching([count = "100"]: readonly string[]): Promise<number> {
  process.env["NPU_PROXY_RUNTIME_DIR"] ??= await setup();
  let failed = 0;
  for (const devices of Object.keys(SETTINGS) as (keyof typeof SETTINGS)[]) {
    const { requests, failures, loads, answers } = await switching(devices, Number(count));
    failed += failures.length;
    console.log(
      `${devices}: ${count} turns, ${requests} requests, ${failures.length} failed; loads ${told(loads)}; answered by ${told(answers)}`,
    );
    for (const failure of failures.slice(0, 10)) console.log(`FAIL ${failure}`);
  }
  return failed === 0 ? 0 : 1;
}

function told(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([where, count]) => `${where} ${count}`)
    .join(", ");
}
