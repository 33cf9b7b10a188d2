import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { ProxyError } from "../../src/core/errors.ts";
import type { Job, PlacementSpec, Pressure, SchedulerEvent } from "../../src/core/scheduling/schedule.ts";
import { placement, SECOND } from "./scheduler-story.ts";
import { World } from "./scheduler-world.ts";

/** Set in the environment for a long run: FUZZ_RUNS=5000. */
const RUNS = Number(Bun.env["FUZZ_RUNS"] ?? 250);
setDefaultTimeout(RUNS * 1000);

const specs = [
  placement("a@CPU"),
  placement("b@CPU", { parallel: 1 }),
  placement("a@GPU", { parallel: 20 }),
  placement("a@NPU"),
  placement("b@NPU"),
  placement("c@NPU"),
  placement("e@NPU", { exclusive: false }),
  placement("p@CPU", { pinned: true }),
  placement("p@NPU", { pinned: true }),
];

const which = fc.nat(1000);
const spec = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...specs.slice(0, 7)) },
  { weight: 1, arbitrary: fc.constantFrom(...specs.slice(7)) },
);
const seconds = fc.oneof(fc.constantFrom(0, 1, 60, 300), fc.integer({ min: 0, max: 400 }));
const keepAlive = fc.oneof(fc.constantFrom(0, Number.POSITIVE_INFINITY), seconds);
const patience = fc.oneof(fc.constant(Number.POSITIVE_INFINITY), seconds);
const outcome = fc.constantFrom(
  "done" as const,
  "done" as const,
  "failed" as const,
  "memory" as const,
  "left" as const,
);
const capacity = fc.constantFrom(undefined, 100);

/** What may happen, each to the one of `which` where there are several. */
const action = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant("submit" as const),
      spec,
      client: fc.constantFrom("x", "y", "z"),
      priority: fc.constantFrom("interactive" as const, "interactive" as const, "batch" as const),
      tokens: fc.oneof(
        { weight: 1, arbitrary: fc.constant(0) },
        { weight: 8, arbitrary: fc.integer({ min: 1, max: 120 }) },
      ),
      patience,
      keepAlive,
      copies: fc.constantFrom(1, 1, 1, 3, 12),
    }),
  },
  { weight: 9, arbitrary: fc.record({ type: fc.constant("finish" as const), which, outcome }) },
  { weight: 7, arbitrary: fc.record({ type: fc.constant("loaded" as const), which, capacity }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("load_failed" as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("load_refused" as const), which }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("unloaded" as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("crash" as const), which }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("leave" as const), which }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("want" as const), spec }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("expire" as const), spec, everywhere: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("retire" as const), spec }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("pressure" as const),
      level: fc.constantFrom<Pressure[]>("normal", "normal", "tight", "critical"),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("pass" as const), seconds }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("ring" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("stray" as const), which, spec }) },
);
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never;

const story = fc.record({
  options: fc.record({ maxQueue: fc.constantFrom(1, 3, 40), maxLoaded: fc.constantFrom(0, 1, 2, 3) }),
  actions: fc.array(action, { maxLength: 120, size: "max" }),
  closes: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

/** The chosen one of some, counted round; undefined where there are none. */
function pick<T>(some: Iterable<T>, index: number): T | undefined {
  const all = [...some];
  return all[index % all.length];
}

class Player {
  readonly world: World;
  #jobs = 0;

  constructor(world: World) {
    this.world = world;
  }

  play(action: Action): void {
    const { world } = this;
    switch (action.type) {
      case "submit":
        for (let copy = 0; copy < action.copies; copy++) this.#submit(action);
        break;
      case "finish": {
        const id = pick(world.running.keys(), action.which);
        if (id !== undefined) world.finish(id, action.outcome);
        break;
      }
      case "loaded": {
        const key = pick(world.loads.keys(), action.which);
        if (key) world.loaded(key, action.capacity);
        break;
      }
      case "load_failed":
      case "load_refused": {
        const key = pick(world.loads.keys(), action.which);
        if (key) world.notLoaded(key, action.type);
        break;
      }
      case "unloaded":
      case "crash": {
        const asked = action.type === "unloaded";
        const runners = [...world.runners].filter(([, { unloading }]) => unloading === asked);
        const key = pick(runners, action.which)?.[0];
        if (key) world.end(key, !asked);
        break;
      }
      case "leave": {
        const id = pick([...world.waiting.keys(), ...world.running.keys()], action.which);
        if (id !== undefined) world.leave(id);
        break;
      }
      case "want":
        world.tell({ type: "want", placement: action.spec });
        break;
      case "expire": {
        const { model, device } = action.spec;
        world.tell(action.everywhere ? { type: "expire", model } : { type: "expire", model, device });
        break;
      }
      case "retire":
        world.tell({ type: "retire", key: action.spec.key });
        break;
      case "pressure":
        world.tell({ type: "pressure", level: action.level });
        break;
      case "pass":
        world.now += action.seconds * SECOND;
        world.tell({ type: "tick" });
        break;
      case "ring":
        if (world.wake < Number.POSITIVE_INFINITY) world.ring();
        break;
      case "stray":
        this.#stray(action.which, action.spec.key);
    }
  }

  /** Nothing new comes, and everything works: until nothing is under way and no wake-up stands. */
  rest(): void {
    const { world } = this;
    for (let steps = 0; ; steps++) {
      if (steps > 3000) throw new Error(`no rest: ${JSON.stringify(world.scheduler.placements())}`);
      const leaving = [...world.runners].find(([, { unloading }]) => unloading)?.[0];
      const [load] = world.loads.keys();
      const [running] = world.running.keys();
      if (leaving) world.end(leaving, false);
      else if (load) {
        world.now += SECOND;
        world.loaded(load, undefined);
      } else if (running !== undefined) world.finish(running, "done");
      else if (world.wake < Number.POSITIVE_INFINITY) world.ring();
      else return;
    }
  }

  #submit({ spec, client, priority, tokens, patience, keepAlive }: Extract<Action, { type: "submit" }>): void {
    const { now } = this.world;
    const deadline = now + patience * SECOND;
    const job: Job = {
      id: ++this.#jobs,
      client,
      priority,
      placement: spec,
      tokens,
      deadline,
      keepAlive: keepAlive * SECOND,
    };
    this.world.submit(job);
  }

  /** Something that is over, or that never was. */
  #stray(which: number, key: string): void {
    const { world } = this;
    const error = new ProxyError("device_error", "Late.");
    const late: SchedulerEvent[] = [];
    const over = pick(world.over, which);
    if (over !== undefined) late.push({ type: "finished", id: over, outcome: "memory" }, { type: "leave", id: over });
    if (!world.loads.has(key))
      late.push(
        { type: "loaded", key, capacity: 1 },
        { type: "load_failed", key, error },
        { type: "load_refused", key, error },
      );
    if (!world.runners.has(key)) late.push({ type: "ended", key, crashed: true });
    const event = pick(late, which);
    if (event) world.tell(event);
  }
}

test("whatever happens, every rule holds; and when it works again everybody is served", () => {
  fc.assert(
    fc.property(story, ({ options, actions, closes }) => {
      const player = new Player(new World(options));
      const { world } = player;
      for (const action of actions) player.play(action);
      if (closes) {
        world.tell({ type: "close" });
        expect(world.waiting.size).toBe(0);
      } else world.tell({ type: "pressure", level: "normal" });
      player.rest();
      expect(world.waiting.size, "somebody is forgotten").toBe(0);
      expect(world.running.size).toBe(0);
      // Who is still loaded is so for ever: pinned, or by its keep-alive.
      for (const { expires, phase } of world.scheduler.placements()) {
        expect(phase).toBe("ready");
        expect(expires).toBe(Number.POSITIVE_INFINITY);
      }
    }),
    { numRuns: RUNS, includeErrorInReport: true },
  );
});

/** Every placement always has work: each job that is over is followed by another of its client. Times in seconds. */
const rush = fc.record({
  specs: fc.subarray(
    ["a@CPU", "b@CPU", "c@CPU", "a@GPU", "a@NPU", "b@NPU", "c@NPU"].map((key) => placement(key, { parallel: 1 })),
    { minLength: 2, maxLength: 5 },
  ),
  maxLoaded: fc.constantFrom(0, 1, 2, 3),
  clients: fc.integer({ min: 1, max: 3 }),
  loading: fc.integer({ min: 0, max: 5 }),
  working: fc.integer({ min: 1, max: 4 }),
  wants: fc.boolean(),
});

test("nobody starves while everybody always wants more", () => {
  fc.assert(
    fc.property(rush, ({ specs, maxLoaded, clients, loading, working, wants }) => {
      const world = new World({ maxQueue: 10, maxLoaded });
      const since = new Map<string | number, number>();
      const due = (what: string | number, after: number): boolean => {
        const began = since.get(what) ?? world.now;
        since.set(what, began);
        return world.now - began >= after * SECOND && since.delete(what);
      };
      const submitted = new Map<number, number>();
      const rest = { priority: "interactive" as const, tokens: 1, deadline: Number.POSITIVE_INFINITY, keepAlive: 0 };
      const submit = (spec: PlacementSpec, client: string): void => {
        const id = submitted.size;
        submitted.set(id, world.now);
        world.submit({ id, client, placement: spec, ...rest });
      };
      for (const spec of specs) for (let client = 0; client < clients; client++) submit(spec, `${client}`);
      // A turn of all placements: each loads, serves for as long, finishes what runs and is unloaded. One job of a client
      // at least in each turn of its placement.
      const longest = (clients + 1) * specs.length * (2 * loading + 2 * working + 4) * SECOND;
      while (world.now < 3 * longest) {
        world.now += SECOND;
        world.tell({ type: "tick" });
        for (const [key, { unloading }] of world.runners) if (unloading && due(`end ${key}`, 1)) world.end(key, false);
        for (const key of world.loads.keys()) if (due(`load ${key}`, loading)) world.loaded(key, undefined);
        for (const [id, { placement: spec, client }] of world.running)
          if (due(id, working)) {
            world.finish(id, "done");
            submit(spec, client);
          }
        if (wants) for (const spec of specs) world.tell({ type: "want", placement: spec });
        for (const id of world.waiting.keys()) expect(world.now - (submitted.get(id) ?? 0)).toBeLessThan(longest);
      }
    }),
    { numRuns: RUNS / 5, includeErrorInReport: true },
  );
});
