import { expect, test } from "bun:test";
import { ProxyError } from "../../src/core/errors.ts";
import type { ToRunner } from "../../src/core/runner-protocol.ts";
import { type HealthOptions, RunnerHealth } from "../../src/runner/health.ts";
import { until } from "../support/daemon.ts";

/** A runner that answers, or not. */
class Patient {
  heardAt: number | undefined;
  asked = 0;
  killed = false;
  answers = true;
  readonly #exited = Promise.withResolvers<ProxyError>();
  readonly exited = this.#exited.promise;

  send(message: ToRunner): void {
    expect(message.op).toBe("stats");
    this.asked++;
    if (this.answers) this.heardAt = performance.now();
  }

  async kill(): Promise<void> {
    this.killed = true;
    this.#exited.resolve(new ProxyError("runner_crashed", "killed"));
  }
}

const NEVER = 1e9;
const work = (busy: () => boolean, progressWithinMs: number): NonNullable<HealthOptions["work"]> => ({
  busy,
  progressWithinMs,
  stuck: () => new ProxyError("inference_timeout", "stuck"),
});

function started(): Patient {
  const patient = new Patient();
  patient.heardAt = performance.now();
  return patient;
}

test("a runner that does not answer is ended, at work or at rest", async () => {
  for (const busy of [true, false]) {
    const connection = started();
    const options = { lookEveryMs: 20, answerWithinMs: 100, work: work(() => busy, NEVER) };
    const health = new RunnerHealth({ connection, ...options });
    await until(() => connection.asked > 2);
    expect(connection.killed).toBe(false);
    connection.answers = false;
    await until(() => connection.killed);
    expect(health.verdict).toMatchObject({
      code: "runner_crashed",
      message: expect.stringMatching(/stopped answering/),
    });
  }
});

test("one that answers and makes no progress is ended with its own reason, and only while it has work", async () => {
  const connection = started();
  let busy = false;
  const health = new RunnerHealth({ connection, lookEveryMs: 5, answerWithinMs: NEVER, work: work(() => busy, 100) });
  await until(() => connection.asked > 5); // at rest one in five looks asks: the 100 ms are over
  expect(connection.killed).toBe(false);
  busy = true;
  health.watch();
  await until(() => connection.killed);
  expect(health.verdict?.code).toBe("inference_timeout");
});

test("progress keeps it alive", async () => {
  const connection = started();
  const health = new RunnerHealth({ connection, lookEveryMs: 5, work: work(() => true, 2000) });
  health.watch();
  const progress = setInterval(() => health.progressed(), 1);
  await until(() => connection.asked > 20);
  clearInterval(progress);
  expect([connection.killed, health.verdict]).toEqual([false, undefined]);
  health.stop();
});

test("one that is still starting is not asked; one that ended, or is watched by nobody, neither", async () => {
  const starting = new Patient();
  const ended = started();
  const left = started();
  const beside = started();
  const all = [starting, ended, left, beside].map(
    (connection) => new RunnerHealth({ connection, lookEveryMs: 5, work: work(() => true, NEVER) }),
  );
  await ended.kill();
  all[2]?.stop();
  const [endedAsked, leftAsked] = [ended.asked, left.asked];
  await until(() => beside.asked > 5);
  expect([starting.asked, ended.asked, left.asked]).toEqual([0, endedAsked, leftAsked]);
  starting.heardAt = performance.now();
  await until(() => starting.asked > 0);
  for (const health of all) health.stop();
});
