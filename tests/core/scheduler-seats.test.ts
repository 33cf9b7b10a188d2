import { describe, expect, test } from "bun:test";
import { placement, Story } from "./scheduler-story.ts";

const a = placement("a@CPU");
const b = placement("b@CPU");
const c = placement("c@CPU");
const onGpu = placement("g@GPU");
const npu = placement("a@NPU");
const npu2 = placement("b@NPU");
const embedder = placement("e@NPU", { exclusive: false });
const pinned = placement("p@CPU", { pinned: true });

/** Loaded within `seconds`, one job running. */
function busyAfter(story: Story, id: number, spec: typeof a, seconds: number): void {
  story.submit(id, spec);
  story.at(story.now + seconds).loaded(spec);
}

describe("loads", () => {
  test("one at a time for each device, who needs it longest first", () => {
    const story = new Story();
    expect(story.submit(1, a)).toEqual(["load a@CPU"]);
    expect(story.submit(2, b)).toEqual([]);
    expect(story.submit(3, c)).toEqual([]);
    expect(story.submit(4, b)).toEqual([]);
    expect(story.submit(5, onGpu)).toEqual(["load g@GPU"]);
    expect(story.loaded(a)).toEqual(["start 1", "load b@CPU"]);
    expect(story.loaded(b)).toEqual(["start 2", "start 4", "load c@CPU"]);
  });
});

describe("seats", () => {
  test("the idle one that was used longest ago goes; the newcomer loads when it is gone", () => {
    const story = new Story({ maxLoaded: 2 });
    story.idle(1, a);
    story.at(1).idle(2, b);
    story.at(2).idle(3, a);
    expect(story.at(3).submit(4, c)).toEqual(["unload b@CPU evicted"]);
    expect(story.phases()).toEqual({ "a@CPU": "ready", "b@CPU": "unloading", "c@CPU": "wanted" });
    expect(story.ended(b)).toEqual(["load c@CPU"]);
  });

  test("nobody goes for a newcomer where somebody goes already", () => {
    const story = new Story({ maxLoaded: 2 });
    story.idle(1, a);
    story.idle(2, b);
    expect(story.tell({ type: "expire", model: "b" })).toEqual(["unload b@CPU expired"]);
    expect(story.submit(3, c)).toEqual([]);
    expect(story.ended(b)).toEqual(["load c@CPU"]);
  });

  test("0: as many as there are", () => {
    const story = new Story({ maxLoaded: 0 });
    for (let id = 0; id < 20; id++) story.idle(id, placement(`m${id}@CPU`));
    expect(story.scheduler.placements()).toHaveLength(20);
  });

  test("where all have work one drains: it finishes what runs, keeps what waits, and comes back after the other", () => {
    const story = new Story({ maxLoaded: 1 });
    const one = placement("a@CPU", { parallel: 1 });
    story.busy(1, one);
    story.submit(2, one);
    expect(story.submit(3, b)).toEqual([]);
    expect(story.phases()).toEqual({ "a@CPU": "draining", "b@CPU": "wanted" });
    expect(story.submit(4, one)).toEqual([]);
    expect(story.done(1)).toEqual(["unload a@CPU evicted"]);
    expect(story.ended(one)).toEqual(["load b@CPU"]);
    expect(story.loaded(b)).toEqual(["start 3"]);
    expect(story.phases()).toEqual({ "a@CPU": "wanted", "b@CPU": "draining" });
    expect(story.done(3)).toEqual(["unload b@CPU evicted"]);
    expect(story.ended(b)).toEqual(["load a@CPU"]);
    expect(story.loaded(one)).toEqual(["start 2"]);
  });

  test("a loaded one serves for at least as long as it took to load", () => {
    const story = new Story({ maxLoaded: 1 });
    busyAfter(story, 1, a, 30);
    story.at(31).submit(2, b);
    expect(story.phases()).toEqual({ "a@CPU": "ready", "b@CPU": "wanted" });
    expect(story.wake).toBe(60);
    expect(story.at(59).submit(3, a)).toEqual(["start 3"]);
    story.at(60).tick();
    expect(story.phases()).toEqual({ "a@CPU": "draining", "b@CPU": "wanted" });
  });

  test("of several with work the one used longest ago drains; each newcomer drains one of its own", () => {
    const story = new Story({ maxLoaded: 2 });
    story.busy(1, a);
    story.at(1).busy(2, onGpu);
    story.at(2).submit(3, b);
    expect(story.phases()).toEqual({ "a@CPU": "draining", "g@GPU": "ready", "b@CPU": "wanted" });
    story.at(3).submit(4, npu);
    expect(story.phases()["g@GPU"]).toBe("draining");
  });

  test("who drains for somebody that left serves again", () => {
    const story = new Story({ maxLoaded: 1 });
    const one = placement("a@CPU", { parallel: 2 });
    story.busy(1, one);
    story.submit(2, b);
    expect(story.submit(3, one)).toEqual([]);
    expect(story.leave(2)).toEqual(["start 3"]);
    expect(story.phases()).toEqual({ "a@CPU": "ready" });
  });

  test("pinned ones are never evicted; where they take all seats whoever waits is told so", () => {
    const story = new Story({ maxLoaded: 2 });
    story.idle(1, pinned);
    story.idle(2, a);
    expect(story.submit(3, b)).toEqual(["unload a@CPU evicted"]);
    const full = new Story({ maxLoaded: 1 });
    full.busy(1, pinned);
    expect(full.submit(2, b)).toEqual(["reject 2 model_not_loaded"]);
    expect(full.told).toContain("pinned models take all of --max-loaded");
    full.done(1);
    expect(full.submit(3, b)).toEqual(["reject 3 model_not_loaded"]);
    expect(full.phases()).toEqual({ "p@CPU": "ready" });
  });

  test("all who wait in vain for pinned seats are told so, not the first alone", () => {
    const story = new Story({ maxLoaded: 1 });
    story.submit(1, pinned);
    story.submit(2, b);
    expect(story.submit(3, c)).toEqual([]);
    expect(story.loaded(pinned)).toEqual(["start 1", "reject 2 model_not_loaded", "reject 3 model_not_loaded"]);
  });
});

describe("exclusive placements", () => {
  test("one at a time on its device, whatever is free: an idle one goes at once, within its residency too", () => {
    const story = new Story();
    busyAfter(story, 1, npu, 100);
    story.done(1);
    expect(story.submit(2, npu2)).toEqual(["unload a@NPU evicted"]);
    expect(story.ended(npu)).toEqual(["load b@NPU"]);
  });

  test("one with work drains after its residency", () => {
    const story = new Story();
    busyAfter(story, 1, npu, 100);
    story.submit(2, npu);
    story.submit(3, npu2);
    expect(story.wake).toBe(200);
    expect(story.at(150).done(1)).toEqual(["start 2"]);
    expect(story.at(200).submit(4, npu)).toEqual([]);
    expect(story.phases()).toEqual({ "a@NPU": "draining", "b@NPU": "wanted" });
    expect(story.done(2)).toEqual(["unload a@NPU evicted"]);
    expect(story.ended(npu)).toEqual(["load b@NPU"]);
  });

  test("others on that device, and exclusive ones on other devices, do not matter", () => {
    const story = new Story();
    story.idle(1, npu);
    expect(story.submit(2, embedder)).toEqual(["load e@NPU"]);
    expect(story.submit(3, placement("c@NPU.1", { exclusive: true }))).toEqual(["load c@NPU.1"]);
  });

  test("a pinned one keeps its device", () => {
    const story = new Story();
    story.idle(1, placement("p@NPU", { pinned: true }));
    expect(story.submit(2, npu)).toEqual(["reject 2 model_not_loaded"]);
    expect(story.told).toContain("a pinned model has that device for itself");
  });
});

describe("want", () => {
  test("is loaded without a job, and expires after five minutes", () => {
    const story = new Story();
    expect(story.want(npu)).toEqual(["load a@NPU"]);
    expect(story.at(10).loaded(npu)).toEqual([]);
    expect(story.want(npu)).toEqual([]);
    expect(story.at(310).tick()).toEqual(["unload a@NPU expired"]);
  });

  test("is dropped after 60 s, unless it is said again", () => {
    const story = new Story();
    story.busy(1, npu);
    story.submit(2, npu);
    story.want(npu2);
    expect(story.phases()["b@NPU"]).toBe("wanted");
    story.at(30).want(npu2);
    story.at(89).tick();
    expect(story.phases()["b@NPU"]).toBe("wanted");
    story.at(90).tick();
    expect(story.phases()["b@NPU"]).toBeUndefined();
  });

  test("lets a loaded one its time, idle or not; a job does not", () => {
    const story = new Story();
    busyAfter(story, 1, npu, 40);
    story.done(1);
    story.at(41).want(npu2);
    expect(story.phases()).toEqual({ "a@NPU": "ready", "b@NPU": "wanted" });
    expect(story.wake).toBe(80);
    expect(story.at(80).tick()).toEqual(["unload a@NPU evicted"]);
    expect(story.ended(npu)).toEqual(["load b@NPU"]);
    story.at(120).loaded(npu2);
    story.want(npu);
    expect(story.submit(2, npu)).toEqual(["unload b@NPU evicted"]);
  });

  test("drains one with running jobs, but takes nothing from one that jobs wait for", () => {
    const story = new Story();
    story.busy(1, npu);
    story.submit(2, npu);
    story.want(npu2);
    expect(story.phases()).toEqual({ "a@NPU": "ready", "b@NPU": "wanted" });
    expect(story.done(1)).toEqual(["start 2"]);
    expect(story.phases()).toEqual({ "a@NPU": "draining", "b@NPU": "wanted" });
    story.submit(3, npu);
    expect(story.phases()).toEqual({ "a@NPU": "ready", "b@NPU": "wanted" });
    expect(story.done(2)).toEqual(["start 3"]);
    expect(story.done(3)).toEqual(["unload a@NPU evicted"]);
    expect(story.ended(npu)).toEqual(["load b@NPU"]);
  });

  test("waits behind those that jobs wait for", () => {
    const story = new Story();
    story.submit(1, a);
    story.want(b);
    story.submit(2, c);
    expect(story.loaded(a)).toEqual(["start 1", "load c@CPU"]);
    expect(story.loaded(c)).toEqual(["start 2", "load b@CPU"]);
  });

  test("is not heard under pressure: it would be the first to go", () => {
    const story = new Story();
    story.tell({ type: "pressure", level: "tight" });
    expect(story.want(npu)).toEqual([]);
    expect(story.phases()).toEqual({});
  });
});
