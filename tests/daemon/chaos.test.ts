import { describe, expect, test } from "bun:test";
import { chaos } from "../soak/chaos.ts";

describe("chaos", () => {
  test("runners die, models vanish, the disk fills: every call ends in an answer or one clear error, and all recovers", async () => {
    const { failures, ends, deeds, samples } = await chaos(1, 7);
    expect(failures).toEqual([]);
    expect(ends.get("answer")).toBeGreaterThan(0);
    expect(ends.get("refused")).toBeGreaterThan(0);
    expect([...deeds].filter(([, count]) => count === 0)).toEqual([]);
    const grown = (samples.at(-1)?.daemonMiB ?? 0) - (samples[10]?.daemonMiB ?? 0);
    expect(grown).toBeLessThan(64);
  }, 180_000);
});
