import { describe, expect, test } from "bun:test";
import { placement, SECOND, Story } from "./scheduler-story.ts";

const a = placement("a@CPU");
const b = placement("b@CPU");
const one = placement("one@CPU", { parallel: 1 });

describe("keep-alive", () => {
  test("runs from the end of the last job, by the job that started last", () => {
    const story = new Story();
    story.busy(1, a, { keepAlive: 10 * SECOND });
    story.submit(2, a, { keepAlive: 20 * SECOND });
    story.at(1).done(2);
    expect(story.state(a)?.expires).toBeUndefined();
    story.at(2).done(1);
    expect(story.state(a)?.expires).toBe(22 * SECOND);
    expect(story.wake).toBe(22);
    expect(story.at(21).tick()).toEqual([]);
    expect(story.at(22).tick()).toEqual(["unload a@CPU expired"]);
    expect(story.phases()).toEqual({ "a@CPU": "unloading" });
    story.ended(a);
    expect(story.phases()).toEqual({});
  });

  test("a job within its time begins it anew", () => {
    const story = new Story();
    story.idle(1, a, { keepAlive: 10 * SECOND });
    story.at(5).submit(2, a, { keepAlive: 10 * SECOND });
    expect(story.at(11).tick()).toEqual([]);
    story.at(12).done(2);
    expect(story.state(a)?.expires).toBe(22 * SECOND);
    expect(story.at(22).tick()).toEqual(["unload a@CPU expired"]);
  });

  test("0 unloads with the last job, for ever never does, and a pinned one stays", () => {
    const story = new Story();
    story.busy(1, a, { keepAlive: 0 });
    expect(story.done(1)).toEqual(["unload a@CPU expired"]);
    story.idle(2, b, { keepAlive: Number.POSITIVE_INFINITY });
    expect(story.state(b)?.expires).toBe(Number.POSITIVE_INFINITY);
    const pinned = placement("p@CPU", { pinned: true });
    story.idle(3, pinned, { keepAlive: 0 });
    expect(story.state(pinned)?.expires).toBe(Number.POSITIVE_INFINITY);
    expect(story.at(1e6).tick()).toEqual([]);
  });

  test("a job that comes while it is being unloaded loads it again", () => {
    const story = new Story();
    story.idle(1, a, { keepAlive: 0 });
    expect(story.submit(2, a)).toEqual([]);
    expect(story.ended(a)).toEqual(["load a@CPU"]);
    expect(story.loaded(a)).toEqual(["start 2"]);
  });

  test("expire: unloads at once what is idle, later what has work, and never what a later job keeps", () => {
    const story = new Story();
    const elsewhere = placement("a@GPU");
    story.idle(1, a);
    story.busy(2, elsewhere);
    expect(story.tell({ type: "expire", model: "a", device: "GPU" })).toEqual([]);
    expect(story.tell({ type: "expire", model: "a" })).toEqual(["unload a@CPU expired"]);
    expect(story.done(2)).toEqual(["unload a@GPU expired"]);
    story.busy(3, b);
    story.tell({ type: "expire", model: "b" });
    story.submit(4, b);
    expect(story.done(3)).toEqual([]);
    expect(story.done(4)).toEqual([]);
    expect(story.phases()["b@CPU"]).toBe("ready");
  });

  test("expire is an explicit word: it unloads a pinned one", () => {
    const story = new Story();
    story.idle(1, placement("p@CPU", { pinned: true }));
    expect(story.tell({ type: "expire", model: "p" })).toEqual(["unload p@CPU expired"]);
  });

  test("a retired one ends with its last job, those that wait included", () => {
    const story = new Story();
    story.busy(1, one);
    story.submit(2, one);
    expect(story.tell({ type: "retire", key: one.key })).toEqual([]);
    expect(story.done(1)).toEqual(["start 2"]);
    expect(story.done(2)).toEqual(["unload one@CPU retired"]);
    story.idle(3, a);
    expect(story.tell({ type: "retire", key: a.key })).toEqual(["unload a@CPU retired"]);
    story.want(a);
    expect(story.ended(a)).toEqual([]);
  });
});
