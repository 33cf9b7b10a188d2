import { describe, expect, test } from "bun:test";
import { switching } from "../soak/switching.ts";

/** `bun run soak switching` does a hundred. */
const TURNS = 8;

describe("two models that take turns under load", () => {
  test.each(["CPU", "NPU"] as const)(
    "where the %s has room for one, each turn loads the other and no request fails",
    async (device) => {
      const { requests, failures, loads, answers } = await switching(device, TURNS);
      expect(failures).toEqual([]);
      expect(answers).toEqual({ [device]: requests });
      expect(loads[device]).toBeGreaterThanOrEqual(TURNS / 2);
    },
    120_000,
  );
});
