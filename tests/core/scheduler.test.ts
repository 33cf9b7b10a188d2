import { describe, expect, test } from "bun:test";
import { ProxyError } from "../../src/core/errors.ts";
import { placement, SECOND, Story } from "./scheduler-story.ts";

const a = placement("a@CPU");
const b = placement("b@CPU");
const one = placement("one@CPU", { parallel: 1 });
const broken = new ProxyError("model_invalid", "Its file is damaged.");

describe("jobs", () => {
  test("the first one loads its placement and starts when that is ready; the next starts at once", () => {
    const story = new Story();
    expect(story.submit(1, a)).toEqual(["load a@CPU"]);
    expect(story.phases()).toEqual({ "a@CPU": "loading" });
    expect(story.loaded(a)).toEqual(["start 1"]);
    expect(story.submit(2, a)).toEqual(["start 2"]);
    expect(story.state(a)).toMatchObject({ phase: "ready", running: 2, waiting: 0, parallel: 4 });
    expect(story.scheduler).toMatchObject({ waiting: 0, running: 2 });
  });

  test("no more at once than parallel", () => {
    const story = new Story();
    story.busy(1, one);
    expect(story.submit(2, one)).toEqual([]);
    expect(story.done(1)).toEqual(["start 2"]);
  });

  test("no more KV tokens at once than the capacity, and no small one slips past a large one", () => {
    const story = new Story();
    story.submit(1, a, { tokens: 60 });
    story.loaded(a, 100);
    expect(story.submit(2, a, { tokens: 50 })).toEqual([]);
    expect(story.submit(3, a, { tokens: 10, client: "other" })).toEqual([]);
    expect(story.done(1)).toEqual(["start 2", "start 3"]);
  });

  test("one that is larger than the whole capacity runs alone", () => {
    const story = new Story();
    story.submit(1, a, { tokens: 10 });
    story.loaded(a, 100);
    expect(story.submit(2, a, { tokens: 101 })).toEqual([]);
    expect(story.done(1)).toEqual(["start 2"]);
    expect(story.submit(3, a, { tokens: 1 })).toEqual([]);
    expect(story.done(2)).toEqual(["start 3"]);
  });

  test("one that only wants it loaded starts beside whatever runs, and does not count there", () => {
    const story = new Story();
    story.busy(1, one);
    story.submit(2, one);
    expect(story.submit(3, one, { tokens: 0 })).toEqual(["start 3"]);
    expect(story.done(1)).toEqual(["start 2"]);
  });

  test("the newcomer is refused where as many wait as may", () => {
    const story = new Story({ maxQueue: 2 });
    story.busy(1, one);
    story.submit(2, one);
    story.submit(3, one);
    expect(story.submit(4, one)).toEqual(["reject 4 queue_full"]);
    expect(story.submit(5, a)).toEqual(["load a@CPU"]);
    expect(story.submit(6, one, { tokens: 0 })).toEqual(["start 6"]);
    story.leave(2);
    expect(story.submit(7, one)).toEqual([]);
  });

  test("one that left is not started; a placement that nobody else needs is not loaded", () => {
    const story = new Story({ maxLoaded: 1 });
    story.busy(1, one);
    story.submit(2, one);
    story.submit(3, b);
    expect(story.phases()).toEqual({ "one@CPU": "draining", "b@CPU": "wanted" });
    expect(story.leave(3)).toEqual([]);
    expect(story.phases()).toEqual({ "one@CPU": "ready" });
    story.leave(2);
    expect(story.done(1)).toEqual([]);
    expect(story.leave(1)).toEqual([]);
  });

  test("a load that nobody waits for any more goes on, and its keep-alive runs", () => {
    const story = new Story();
    story.submit(1, a, { keepAlive: 20 * SECOND });
    story.leave(1);
    expect(story.phases()).toEqual({ "a@CPU": "loading" });
    expect(story.at(5).loaded(a)).toEqual([]);
    expect(story.state(a)?.expires).toBe(25 * SECOND);
  });

  test("events about what is unknown or over change nothing", () => {
    const story = new Story();
    story.idle(1, a);
    const before = story.scheduler.placements();
    for (const spec of [a, b]) expect(story.loaded(spec)).toEqual([]);
    expect(story.done(1)).toEqual([]);
    expect(story.done(99, "memory")).toEqual([]);
    expect(story.leave(99)).toEqual([]);
    expect(story.ended(b, true)).toEqual([]);
    expect(story.tell({ type: "load_failed", key: a.key, error: broken })).toEqual([]);
    expect(story.tell({ type: "load_refused", key: b.key, error: broken })).toEqual([]);
    expect(story.tell({ type: "retire", key: b.key })).toEqual([]);
    expect(story.tell({ type: "expire", model: "b" })).toEqual([]);
    expect(story.scheduler.placements()).toEqual(before);
    story.busy(2, one);
    expect(story.submit(2, one)).toEqual([]);
    expect(story.scheduler).toMatchObject({ waiting: 0, running: 1 });
  });
});

describe("turns", () => {
  /** Runs one after the other, all that wait, in the order in which they start. */
  function order(story: Story, first: number): number[] {
    const started: number[] = [];
    for (let id = first; ; ) {
      const [next] = story.done(id);
      if (!next) return started;
      id = Number(next.replace("start ", ""));
      started.push(id);
    }
  }

  test("clients take turns; each one's own jobs keep their order", () => {
    const story = new Story();
    story.busy(1, one);
    for (const id of [11, 12, 13]) story.submit(id, one, { client: "eleven" });
    for (const id of [21, 22]) story.submit(id, one, { client: "twenty" });
    story.submit(31, one, { client: "thirty" });
    expect(order(story, 1)).toEqual([11, 21, 31, 12, 22, 13]);
  });

  test("one that leaves from the middle takes nobody else's turn", () => {
    const story = new Story();
    story.busy(1, one);
    for (const id of [11, 12, 13]) story.submit(id, one, { client: "eleven" });
    for (const id of [21, 22]) story.submit(id, one, { client: "twenty" });
    story.leave(12);
    story.leave(21);
    expect(order(story, 1)).toEqual([11, 22, 13]);
  });

  test("interactive jobs go first, but after sixteen of them a batch job has its turn", () => {
    const story = new Story({ maxQueue: 100 });
    story.busy(1, one);
    for (const id of [101, 102]) story.submit(id, one, { priority: "batch" });
    for (let id = 2; id < 42; id++) story.submit(id, one, { client: `${id}` });
    const started = order(story, 1);
    expect(started.slice(0, 16)).toEqual(Array.from({ length: 16 }, (_, index) => index + 2));
    expect(started.indexOf(101)).toBe(16);
    expect(started.indexOf(102)).toBe(33);
    expect(started).toHaveLength(42);
  });
});

test("a batch job does not inherit the turn of one that left", () => {
  const story = new Story({ maxQueue: 100 });
  story.busy(1, one);
  story.submit(100, one, { priority: "batch" });
  for (let id = 2; id < 20; id++) story.submit(id, one);
  for (let id = 1; id < 17; id++) expect(story.done(id)).toEqual([`start ${id + 1}`]);
  story.leave(100);
  story.submit(101, one, { priority: "batch" });
  expect(story.done(17)).toEqual(["start 18"]);
});

describe("deadlines", () => {
  test("whoever has not started by then is told so, and there is a wake-up for the first of them", () => {
    const story = new Story();
    story.busy(1, one);
    story.submit(2, one, { deadline: 30 * SECOND });
    story.submit(3, one, { deadline: 20 * SECOND });
    story.submit(4, one, { deadline: 40 * SECOND });
    expect(story.wake).toBe(20);
    expect(story.at(19.9).tick()).toEqual([]);
    expect(story.at(20).tick()).toEqual(["reject 3 queue_timeout"]);
    expect(story.wake).toBe(30);
    expect(story.at(35).done(1)).toEqual(["reject 2 queue_timeout", "start 4"]);
    expect(story.at(50).tick()).toEqual([]);
  });

  test("those whose time is over make room in the queue before a newcomer is refused", () => {
    const story = new Story({ maxQueue: 1 });
    story.busy(1, one);
    story.submit(2, one, { deadline: 10 * SECOND });
    expect(story.at(10).submit(3, one)).toEqual(["reject 2 queue_timeout"]);
  });

  test("a load that takes too long does not make its jobs wait for longer", () => {
    const story = new Story();
    story.submit(1, a, { deadline: 5 * SECOND });
    expect(story.at(6).tick()).toEqual(["reject 1 queue_timeout"]);
    expect(story.phases()).toEqual({ "a@CPU": "loading" });
  });

  test("a tick that comes early asks for the wake-up again", () => {
    const story = new Story();
    story.submit(1, a, { deadline: 5 * SECOND });
    expect(story.scheduler.handle({ type: "tick" }, 4.999 * SECOND)).toEqual([{ type: "wake", at: 5 * SECOND }]);
  });
});

test("close: whoever waits or comes later is refused; what runs goes on", () => {
  const story = new Story();
  story.busy(1, one);
  story.submit(2, one);
  story.submit(3, a);
  expect(story.tell({ type: "close" })).toEqual(["reject 2 shutting_down", "reject 3 shutting_down"]);
  expect(story.submit(4, one)).toEqual(["reject 4 shutting_down"]);
  expect(story.want(b)).toEqual([]);
  expect(story.scheduler).toMatchObject({ waiting: 0, running: 1 });
  expect(story.loaded(a)).toEqual([]);
  expect(story.done(1)).toEqual([]);
});
