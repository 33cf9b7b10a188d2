import { describe, expect, test } from "bun:test";
import { ProxyError } from "../../src/core/errors.ts";
import type { Pressure } from "../../src/core/scheduling/schedule.ts";
import { placement, SECOND, Story } from "./scheduler-story.ts";

const a = placement("a@CPU");
const b = placement("b@CPU");
const one = placement("one@CPU", { parallel: 1 });
const forMemory = new ProxyError("insufficient_memory", "Too little memory.");
const broken = new ProxyError("model_invalid", "Its file is damaged.");

function press(story: Story, level: Pressure): string[] {
  return story.tell({ type: "pressure", level });
}

describe("failures", () => {
  const fail = (story: Story): string[] => story.tell({ type: "load_failed", key: a.key, error: broken });

  test("a failed load is the answer of all who wait; the next begins at once, then after 1, 2, 4 … 30 s", () => {
    const story = new Story();
    story.submit(1, a);
    story.submit(2, a);
    expect(fail(story)).toEqual(["reject 1 model_invalid", "reject 2 model_invalid"]);
    expect(story.told).toBe("Its file is damaged.");
    expect(story.phases()).toEqual({});
    expect(story.submit(3, a)).toEqual(["load a@CPU"]);
    let begins = 0;
    for (const backOff of [1, 2, 4, 8, 16, 30, 30]) {
      fail(story);
      expect(story.submit(4, a)).toEqual([]);
      begins += backOff;
      expect(story.wake).toBe(begins);
      expect(story.at(begins - 0.001).tick()).toEqual([]);
      expect(story.at(begins).tick()).toEqual(["load a@CPU"]);
    }
    story.loaded(a);
    story.done(4);
    story.ended(a, true);
    expect(story.submit(5, a)).toEqual(["load a@CPU"]);
  });

  test("a deadline holds during the back-off, and other placements do not wait for it", () => {
    const story = new Story();
    for (const id of [1, 2]) {
      story.submit(id, a);
      fail(story);
    }
    expect(story.submit(3, a, { deadline: 0.5 * SECOND })).toEqual([]);
    expect(story.wake).toBe(0.5);
    expect(story.submit(4, b)).toEqual(["load b@CPU"]);
    expect(story.at(0.5).tick()).toEqual(["reject 3 queue_timeout"]);
  });

  test("who waits for a crashed one waits on, and its old jobs do not count in the new one", () => {
    const story = new Story();
    story.busy(1, one);
    story.submit(2, one);
    expect(story.ended(one, true)).toEqual(["load one@CPU"]);
    expect(story.loaded(one)).toEqual(["start 2"]);
    expect(story.submit(3, one)).toEqual([]);
    expect(story.done(1)).toEqual([]);
    expect(story.state(one)).toMatchObject({ running: 1, waiting: 1 });
    expect(story.ended(one, true)).toEqual([]);
    expect(story.wake).toBe(1);
    expect(story.at(1).tick()).toEqual(["load one@CPU"]);
    expect(story.loaded(one)).toEqual(["start 3"]);
  });

  test("too little memory for a load: the idle ones go, longest unused first, until there is enough or nobody", () => {
    const story = new Story();
    const refuse = (): string[] => story.tell({ type: "load_refused", key: a.key, error: forMemory });
    story.idle(1, placement("pinned@CPU", { pinned: true }));
    story.at(1).idle(2, b);
    story.at(2).idle(3, placement("c@GPU"));
    story.at(3).submit(4, b);
    story.done(4);
    story.at(4).submit(5, a);
    expect(refuse()).toEqual(["unload c@GPU evicted"]);
    expect(story.submit(6, placement("d@CPU"))).toEqual([]);
    expect(story.ended(placement("c@GPU"))).toEqual(["load a@CPU"]);
    expect(refuse()).toEqual(["unload b@CPU evicted"]);
    expect(story.ended(b)).toEqual(["load a@CPU"]);
    expect(refuse()).toEqual(["reject 5 insufficient_memory", "load d@CPU"]);
    expect(story.submit(7, placement("a@GPU"))).toEqual(["load a@GPU"]);
  });

  test("out of memory: half as many at once for 300 s, then twice as many each 300 s", () => {
    const story = new Story({ maxQueue: 100 });
    const parallel = (): number | undefined => story.state(a)?.parallel;
    for (const id of [1, 2, 3, 4, 5]) story.submit(id, a);
    story.loaded(a);
    expect(story.at(1).done(1, "memory")).toEqual([]);
    expect(story.at(2).done(2, "memory")).toEqual([]);
    expect(parallel()).toBe(2);
    expect(story.done(3)).toEqual(["start 5"]);
    story.at(10).done(5, "memory");
    expect(parallel()).toBe(1);
    story.at(11).submit(6, a);
    story.done(4);
    story.at(12).done(6, "memory");
    expect(parallel()).toBe(1);
    for (const id of [7, 8, 9]) story.submit(id, a, { deadline: Number.POSITIVE_INFINITY });
    story.at(311).tick();
    expect(parallel()).toBe(1);
    expect(story.at(312).tick()).toEqual(["start 8"]);
    expect(parallel()).toBe(2);
    story.at(611).tick();
    expect(parallel()).toBe(2);
    story.at(612).tick();
    expect(parallel()).toBe(4);
    story.at(5000).tick();
    expect(parallel()).toBe(4);
  });

  test("what is leaving anyway is waited for before anybody else has to go", () => {
    const story = new Story();
    story.idle(1, b);
    story.submit(2, a);
    story.tell({ type: "expire", model: "b" });
    story.idle(3, placement("c@GPU"));
    expect(story.tell({ type: "load_refused", key: a.key, error: forMemory })).toEqual([]);
    expect(story.ended(b)).toEqual(["load a@CPU"]);
  });

  test("a placement that comes back still takes fewer at once", () => {
    const story = new Story();
    story.busy(1, a);
    story.busy(2, b);
    story.at(1).done(1, "memory");
    story.ended(a);
    expect(story.phases()).toEqual({ "b@CPU": "ready" });
    story.busy(3, placement("c@CPU"));
    story.at(2).submit(4, a);
    expect(story.state(a)?.parallel).toBe(2);
  });
});

describe("pressure", () => {
  test("tight: no batch jobs, and the idle ones go one at a time", () => {
    const story = new Story();
    story.idle(1, a);
    story.at(1).idle(2, b);
    story.at(2).busy(3, one);
    story.idle(4, placement("p@CPU", { pinned: true }));
    expect(press(story, "tight")).toEqual(["unload a@CPU pressure"]);
    expect(story.tick()).toEqual([]);
    expect(story.submit(5, one, { priority: "batch" })).toEqual(["reject 5 insufficient_memory"]);
    expect(story.submit(6, placement("c@CPU"))).toEqual(["load c@CPU"]);
    expect(story.ended(a)).toEqual(["unload b@CPU pressure"]);
    expect(story.ended(b)).toEqual([]);
    press(story, "normal");
    expect(story.submit(7, one, { priority: "batch" })).toEqual([]);
  });

  test("critical: no jobs of what is not loaded, and half as many at once", () => {
    const story = new Story();
    story.busy(1, a);
    press(story, "critical");
    expect(story.submit(2, b)).toEqual(["reject 2 insufficient_memory"]);
    expect(story.submit(3, a)).toEqual(["start 3"]);
    expect(story.submit(4, a)).toEqual([]);
    expect(story.state(a)?.parallel).toBe(2);
    expect(press(story, "tight")).toEqual(["start 4"]);
  });
});
