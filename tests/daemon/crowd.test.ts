import { describe, expect, test } from "bun:test";
import { crowd, QUEUE } from "../soak/crowd.ts";

describe("a crowd", () => {
  test("10,000 requests at once: those beyond the queue are refused with Retry-After, the others are answered", async () => {
    const { answered, refused, failures, grownMiB } = await crowd();
    expect(failures).toEqual([]);
    expect(answered + refused).toBe(10_000);
    expect(answered).toBeGreaterThanOrEqual(QUEUE);
    expect(refused).toBeGreaterThan(0);
    expect(grownMiB).toBeLessThan(256);
  }, 120_000);
});
