/**
 * `bun tests/bench/route.ts`: what one decision of the router costs, over 100,000 of them on varied questions; prints
 * p50, p99 and the longest. Exit code 1 where p99 is above its bound.
 */
import { ProxyError } from "../../src/core/errors.ts";
import type { RouteQuestion, RouteSettings } from "../../src/core/routing/route.ts";
import { route } from "../../src/core/routing/router.ts";
import { deviceState, questionWith, settingsWith } from "../support/route-question.ts";

const DECISIONS = 100_000;
const QUESTIONS = 1000;
/** In µs. */
const BOUND = 20;

/** Questions as different as those of a day: all lengths, busy and broken devices, wishes and needs. */
function variedQuestion(index: number): RouteQuestion {
  const every = (count: number): boolean => index % count === 0;
  const speed = (tokensPerSecond: number) => ({
    promptTokensPerSecond: 30 * tokensPerSecond,
    tokensPerSecond,
    samples: 9,
  });
  return questionWith({
    promptTokens: 1 + ((index * 37) % 9000),
    outputTokens: every(3) ? undefined : (index * 53) % 6000,
    contextLength: every(5) ? 4096 : 8192,
    needs: every(7) ? ["logprobs"] : [],
    wish: every(11) ? "CPU" : undefined,
    fitness: [{ device: "NPU", fits: !every(13), reason: "INT4 asymmetric; needs symmetric" }],
    devices: [
      deviceState("CPU", { speed: speed(20 + (index % 7)), waiting: index % 40, running: index % 32 }),
      deviceState("GPU.0", { speed: speed(40 + (index % 5)), loaded: every(2), loadMs: 3000 }),
      deviceState("GPU.1", { circuit: every(17) ? "open" : "closed" }),
      deviceState("NPU", {
        speed: speed(15),
        waiting: index % 12,
        occupied: every(19),
        tooLarge: every(23) ? "It needs 2 GiB." : undefined,
      }),
    ],
  });
}

/** Returns true where the router refused, which is a decision too. */
function refused(question: RouteQuestion, settings: RouteSettings): boolean {
  try {
    route(question, settings);
    return false;
  } catch (error) {
    if (error instanceof ProxyError) return true;
    throw error;
  }
}

const questions = Array.from({ length: QUESTIONS }, (_, index) => variedQuestion(index));
const settings = [settingsWith(), settingsWith({ policy: "latency" }), settingsWith({ fallback: "CPU" })];
const times = new Float64Array(DECISIONS);
let refusals = 0;
for (let index = 0; index < DECISIONS; index++) {
  const question = questions[index % QUESTIONS] ?? questionWith();
  const set = settings[index % settings.length] ?? settingsWith();
  const started = Bun.nanoseconds();
  if (refused(question, set)) refusals++;
  times[index] = (Bun.nanoseconds() - started) / 1000;
}
times.sort();
const at = (share: number): number => times[Math.min(DECISIONS - 1, Math.floor(DECISIONS * share))] ?? 0;
const p99 = at(0.99);
console.log(`decisions ${DECISIONS} (${refusals} refusals), in µs each`);
console.log(`p50 ${at(0.5).toFixed(2)}   p99 ${p99.toFixed(2)}   max ${at(1).toFixed(2)}`);
if (p99 > BOUND) {
  console.error(`p99 is above ${BOUND} µs.`);
  process.exitCode = 1;
}
