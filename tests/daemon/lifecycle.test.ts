/** What the daemon survives, with real processes and real inference. */
import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { type Daemon, isAlive, startDaemon, until } from "../support/daemon.ts";

const daemons: Daemon[] = [];
async function start(settings: Record<string, string> = {}): Promise<Daemon> {
  const daemon = await startDaemon({ NPU_PROXY_DEVICE: "CPU", ...settings });
  daemons.push(daemon);
  return daemon;
}
afterEach(async () => {
  for (const daemon of daemons.splice(0)) await daemon[Symbol.asyncDispose]();
});

interface Ask {
  readonly prompt?: string;
  readonly stream?: boolean;
  readonly options?: Record<string, unknown>;
  readonly format?: unknown;
  readonly signal?: AbortSignal;
}

function ask(
  daemon: Daemon,
  { prompt = "What is the capital of France?", stream = false, options = {}, format, signal }: Ask = {},
) {
  return fetch(`${daemon.url}/api/generate`, {
    method: "POST",
    body: JSON.stringify({ model: "demo", prompt, stream, format, options: { temperature: 0, ...options } }),
    ...(signal && { signal }),
  });
}

const answer = async (response: Response): Promise<string> =>
  ((await response.json()) as { response: string }).response;

/** A generation that goes on for a while: its form does not let it end before its last token. */
const LONG = {
  prompt: "Tell me about animals.",
  stream: true,
  format: { type: "array", items: { type: "boolean" }, minItems: 800 },
  options: { num_predict: 900 },
};

describe("daemon", () => {
  test("kill -9 of a runner in a stream is an in-band error; the next request works, same daemon", async () => {
    const daemon = await start();
    await ask(daemon);
    const before = daemon.runners();
    const response = await ask(daemon, LONG);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    await reader?.read();
    for (const pid of before) process.kill(pid, "SIGKILL");
    let text = "";
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) text += part.value;
    const last = text.trim().split("\n").at(-1) ?? "";
    expect(JSON.parse(last)).toEqual({ error: expect.stringContaining("SIGKILL") });
    expect(await answer(await ask(daemon))).toContain("Paris");
    expect(isAlive(daemon.pid)).toBe(true);
  }, 60_000);

  test("kill -9 of the daemon under load leaves no runner", async () => {
    const daemon = await start();
    await ask(daemon);
    const streams = await Promise.all(Array.from({ length: 8 }, () => ask(daemon, LONG)));
    const runners = daemon.runners();
    expect(runners.length).toBeGreaterThan(0);
    daemon.kill("SIGKILL");
    await daemon.exited;
    const killed = performance.now();
    await until(() => !runners.some(isAlive));
    expect(performance.now() - killed).toBeLessThan(1000);
    await Promise.allSettled(streams.map((stream) => stream.text()));
  }, 60_000);

  test("a client that leaves stops its generation", async () => {
    const daemon = await start();
    const leaving = new AbortController();
    const response = await ask(daemon, { ...LONG, signal: leaving.signal });
    await response.body?.getReader().read();
    leaving.abort();
    await until(() => /code=client_closed|status=499/.test(daemon.log()));
    const running = async (): Promise<number> => {
      const health = (await (await fetch(`${daemon.url}/health`)).json()) as { models?: { running: number }[] };
      return health.models?.reduce((sum, model) => sum + model.running, 0) ?? -1;
    };
    await until(async () => (await running()) === 0);
    expect(await answer(await ask(daemon))).toContain("Paris");
  }, 60_000);

  test("a runner that hangs when its only client leaves is ended, and the next request works", async () => {
    const daemon = await start();
    const leaving = new AbortController();
    const response = await ask(daemon, { ...LONG, signal: leaving.signal });
    await response.body?.getReader().read();
    const runner = Number(/model loaded .*pid=(\d+)/.exec(daemon.log())?.[1]);
    process.kill(runner, "SIGSTOP");
    leaving.abort();
    await until(() => !isAlive(runner));
    expect(await answer(await ask(daemon))).toContain("Paris");
  }, 90_000);

  test("64 streams at once complete, and their texts equal the same request alone", async () => {
    const daemon = await start();
    const questions = ["France", "Italy", "Spain", "Germany", "Japan", "Poland", "Norway", "Greece"].map(
      (country) => `What is the capital of ${country}?`,
    );
    const alone = new Map<string, string>();
    for (const prompt of questions) alone.set(prompt, await answer(await ask(daemon, { prompt })));
    const together = await Promise.all(
      Array.from({ length: 64 }, async (_, n) => {
        const prompt = questions[n % questions.length] ?? "";
        const text = await (await ask(daemon, { prompt, stream: true })).text();
        const lines = text
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as { response: string; done: boolean });
        expect(lines.at(-1)?.done).toBe(true);
        return [prompt, lines.map(({ response }) => response).join("")] as const;
      }),
    );
    for (const [prompt, text] of together) expect(text).toBe(alone.get(prompt) ?? "");
  }, 120_000);

  test("1,000 requests leave no file descriptor and no process behind", async () => {
    const daemon = await start({ NPU_PROXY_LOG_LEVEL: "warn" });
    const round = async (count: number): Promise<void> => {
      const left = Array.from({ length: count }, (_, n) => n);
      const worker = async (): Promise<void> => {
        while (left.pop() !== undefined) await (await ask(daemon, { options: { num_predict: 2 } })).text();
      };
      await Promise.all(Array.from({ length: 8 }, worker));
    };
    const open = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
    await round(100);
    const processes = [daemon.pid, ...daemon.runners()];
    await until(() => open(daemon.pid) <= 64);
    const before = processes.map(open);
    await round(1000);
    expect(daemon.runners().length).toBe(processes.length - 1);
    // The client's own keep-alive connections come and go: a few more or fewer are no leak, one a request would be.
    await until(() => processes.every((pid, index) => open(pid) <= (before[index] ?? 0) + 16));
  }, 120_000);

  test("SIGTERM lets the running answer finish and refuses new ones, then exits 0 with no runner left", async () => {
    const daemon = await start();
    const response = await ask(daemon, { ...LONG, options: { num_predict: 300 } });
    const runners = daemon.runners();
    daemon.kill("SIGTERM");
    const lines = (await response.text()).trim().split("\n");
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ done: true });
    expect(await daemon.exited).toBe(0);
    expect(runners.filter(isAlive)).toEqual([]);
  }, 60_000);
});
