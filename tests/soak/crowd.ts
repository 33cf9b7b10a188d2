/**
 * `bun run soak crowd`: 500 clients with 20 requests each at once against a queue of 512. Those beyond the queue are refused
 * at once, the others are answered, and memory stays bounded. The test of the same name checks all but the time.
 */
import { readFileSync } from "node:fs";
import { setup } from "../../build/setup.ts";
import { askRaw } from "../support/crowd.ts";
import { startDaemon, until } from "../support/daemon.ts";

const CLIENTS = 500;
const EACH = 20;
export const QUEUE = 512;
/** By the daemon's clock, from the body's last byte to the refusal, in ms. */
const REFUSED_WITHIN_MS = 50;

export interface CrowdReport {
  readonly answered: number;
  readonly refused: number;
  /** Anything that is neither. */
  readonly failures: readonly string[];
  /** The slowest refusal, and the median one, in ms. */
  readonly slowestMs: number;
  readonly medianMs: number;
  readonly grownMiB: number;
}

export async function crowd(): Promise<CrowdReport> {
  await using daemon = await startDaemon({ NPU_PROXY_DEVICE: "CPU", NPU_PROXY_MAX_QUEUE: String(QUEUE) });
  const url = new URL(daemon.url);
  const body = (n: number): string =>
    JSON.stringify({
      model: "demo",
      stream: false,
      messages: [{ role: "user", content: `Write about ${n} things.` }],
      options: { temperature: 1.2, num_predict: 24 },
    });
  await askRaw(url, "/api/chat", body(0)); // the model is loaded
  const before = residentMiB(daemon.pid);
  const answers = await Promise.all(
    Array.from({ length: CLIENTS * EACH }, (_, n) =>
      askRaw(url, "/api/chat", body(n), `Authorization: Bearer client-${n % CLIENTS}\r\n`),
    ),
  );
  const grownMiB = residentMiB(daemon.pid) - before;
  const requests = (): string[] => daemon.log().match(/^\S+ info request .*$/gm) ?? [];
  await until(() => requests().length > answers.length);
  const times = requests()
    .flatMap((line) => (/ status=503 /.test(line) ? [Number(/ handledMs=([\d.]+)/.exec(line)?.[1] ?? Number.NaN)] : []))
    .sort((a, b) => a - b);
  return {
    answered: answers.filter(({ status, body: text }) => status === 200 && JSON.parse(text).done === true).length,
    refused: answers.filter(isRefusal).length,
    failures: answers
      .filter((answer) => answer.status !== 200 && !isRefusal(answer))
      .map(({ status, body: text }) => `${status} ${text.slice(0, 200)}`),
    slowestMs: times.at(-1) ?? 0,
    medianMs: times[Math.floor(times.length / 2)] ?? 0,
    grownMiB,
  };
}

/** Returns the exit code. */
export async function soakCrowd(): Promise<number> {
  process.env["NPU_PROXY_RUNTIME_DIR"] ??= await setup();
  const { answered, refused, failures, slowestMs, medianMs, grownMiB } = await crowd();
  console.log(
    `${CLIENTS * EACH} requests: ${answered} answered, ${refused} refused (median ${medianMs} ms, slowest ${slowestMs} ms), ` +
      `${failures.length} neither; daemon +${grownMiB.toFixed(0)} MiB`,
  );
  for (const failure of failures.slice(0, 10)) console.log(`FAIL ${failure}`);
  return failures.length === 0 && slowestMs <= REFUSED_WITHIN_MS ? 0 : 1;
}

function isRefusal({ status, headers, body }: { status: number; headers: string; body: string }): boolean {
  return (
    status === 503 &&
    /^retry-after: [1-9]/im.test(headers) &&
    JSON.parse(body).error === "server busy, please try again.  maximum pending requests exceeded"
  );
}

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}
