import { describe, expect, test } from "bun:test";
import { Channel } from "../../src/core/channel.ts";

function channel(capacity = 4) {
  const left: string[] = [];
  let taken = 0;
  const made = new Channel<number>({ capacity, onLeave: () => left.push("left"), onTake: () => taken++ });
  return { made, left, taken: () => taken };
}

describe("channel", () => {
  test("delivers in order and ends", async () => {
    const { made, left, taken } = channel();
    made.push(1);
    made.push(2);
    queueMicrotask(() => {
      made.push(3);
      made.close();
    });
    const seen: number[] = [];
    for await (const item of made) seen.push(item);
    expect(seen).toEqual([1, 2, 3]);
    expect(taken()).toBe(3);
    expect(left).toEqual([]);
  });

  test("what was pushed is delivered before the error", async () => {
    const { made } = channel();
    made.push(1);
    made.close(new Error("broken"));
    const iterator = made[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toBe(1);
    expect(iterator.next()).rejects.toThrow("broken");
    expect((await iterator.next()).done).toBe(true);
  });

  test("a reader that leaves is told to the producer once, even while it waits", async () => {
    const { made, left } = channel();
    const iterator = made[Symbol.asyncIterator]();
    const waiting = iterator.next();
    await iterator.return?.();
    await iterator.return?.();
    expect((await waiting).done).toBe(true);
    expect(left).toEqual(["left"]);
    made.push(1);
    expect((await iterator.next()).done).toBe(true);
  });

  test("a producer that breaks the bound ends the stream with an error instead of growing it", async () => {
    const { made, left } = channel(2);
    for (const item of [1, 2, 3]) made.push(item);
    expect(left).toEqual(["left"]);
    const seen: number[] = [];
    const read = (async () => {
      for await (const item of made) seen.push(item);
    })();
    expect(read).rejects.toThrow("overflowed");
    await read.catch(() => undefined);
    expect(seen).toEqual([1, 2]);
  });
});
