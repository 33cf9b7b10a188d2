/** Which rows an encoder computes together, and whose turn it is. */
import { describe, expect, test } from "bun:test";
import { Batching, type Waiting } from "../../src/core/embedding/batching.ts";

const limits = { tokens: 100, rows: 8 };
const row = (request: number, tokens: number): Waiting => ({ request, tokens });

/** Everything that waits, batch by batch. */
function drained(batching: Batching<Waiting>): (readonly Waiting[])[] {
  const batches: (readonly Waiting[])[] = [];
  for (let batch = batching.take(); batch.length > 0; batch = batching.take()) batches.push(batch);
  return batches;
}

const requests = (batches: readonly (readonly Waiting[])[]): number[] => batches.map(([first]) => first?.request ?? 0);

describe("what goes together", () => {
  test("rows of all requests that are about as long", () => {
    const batching = new Batching<Waiting>(limits);
    for (const [request, tokens] of [
      [1, 30],
      [2, 5],
      [3, 28],
      [4, 12],
      [5, 100],
    ] as const)
      batching.add("batch", row(request, tokens));
    expect(drained(batching).map((batch) => batch.map(({ tokens }) => tokens))).toEqual([[30, 28], [5, 12], [100]]);
  });

  test("no more tokens than the budget, counted with the padding", () => {
    const batching = new Batching<Waiting>(limits);
    for (let index = 0; index < 50; index++) batching.add("batch", row(index % 3, 20 + (index % 7)));
    const batches = drained(batching);
    for (const batch of batches)
      expect(Math.max(...batch.map(({ tokens }) => tokens)) * batch.length).toBeLessThanOrEqual(100);
    expect(batches.flat()).toHaveLength(50);
    expect(batching.size).toBe(0);
  });

  test("no more rows than may be", () => {
    const batching = new Batching<Waiting>(limits);
    for (let index = 0; index < 20; index++) batching.add("batch", row(1, 2));
    expect(drained(batching).map(({ length }) => length)).toEqual([8, 8, 4]);
  });

  test("a row that is longer than the budget goes alone", () => {
    const batching = new Batching<Waiting>(limits);
    batching.add("batch", row(1, 500));
    batching.add("batch", row(1, 500));
    expect(drained(batching)).toHaveLength(2);
  });
});

describe("whose turn it is", () => {
  test("a single query goes before all bulk rows", () => {
    const batching = new Batching<Waiting>({ tokens: 100, rows: 1 });
    for (let index = 0; index < 10; index++) batching.add("batch", row(1, 10));
    batching.take();
    batching.add("interactive", row(2, 10));
    expect(requests([batching.take()])).toEqual([2]);
  });

  test("bulk has its share, however many queries there are", () => {
    const batching = new Batching<Waiting>({ tokens: 100, rows: 1 });
    for (let index = 0; index < 100; index++) batching.add("interactive", row(1, 10));
    for (let index = 0; index < 3; index++) batching.add("batch", row(2, 10));
    const order = requests(drained(batching));
    expect(order.flatMap((request, at) => (request === 2 ? [at] : []))).toEqual([3, 7, 11]);
  });

  test("requests of a lane take turns", () => {
    const batching = new Batching<Waiting>({ tokens: 100, rows: 1 });
    for (let index = 0; index < 4; index++) batching.add("batch", row(1, 10));
    for (let index = 0; index < 2; index++) batching.add("batch", row(2, 10));
    expect(requests(drained(batching))).toEqual([1, 2, 1, 2, 1, 1]);
  });

  test("rows of any length come to their turn while others keep coming", () => {
    const batching = new Batching<Waiting>(limits);
    batching.add("batch", row(1, 90));
    for (let round = 0; round < 5; round++) {
      for (let index = 0; index < 20; index++) batching.add("batch", row(10 + index, 10));
      if (batching.take().some(({ tokens }) => tokens === 90)) return;
    }
    throw new Error("The long row never came to its turn.");
  });

  test("what is dropped is never taken", () => {
    const batching = new Batching<Waiting>(limits);
    batching.add("batch", row(1, 10));
    batching.add("interactive", row(1, 10));
    batching.add("batch", row(2, 10));
    batching.drop(1);
    expect(batching.size).toBe(1);
    expect(requests(drained(batching))).toEqual([2]);
  });
});
