/** Slices of requests, and vectors made of hashes: pure parts of embedding. */
import { describe, expect, test } from "bun:test";
import { hashVector } from "../../src/core/embedding/hash-vector.ts";
import { eachPiece, piecesOf } from "../../src/core/embedding/pieces.ts";

const hash = (text: string): string => Bun.hash.xxHash64(text).toString(16).padStart(16, "0").repeat(2);

describe("pieces", () => {
  test("have all items in order, and are as large as they may be", () => {
    let state = 7;
    const random = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
    for (let round = 0; round < 200; round++) {
      const most = 10 ** (1 + Math.floor(random() * 5));
      const sizes = Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * most));
      const pieces = [...piecesOf(sizes, (size) => size)];
      expect(pieces.flat()).toEqual(sizes);
      for (const [index, piece] of pieces.entries()) {
        const bytes = piece.reduce((sum, size) => sum + size, 0);
        expect(piece.length).toBeGreaterThan(0);
        expect(piece.length).toBeLessThanOrEqual(64);
        expect(piece.length === 1 || bytes <= 65_536).toBe(true);
        const next = pieces[index + 1]?.[0];
        if (next !== undefined) expect(piece.length === 64 || bytes + next > 65_536).toBe(true);
      }
    }
  });

  test("are taken as they are needed, four at a time, and not after one failed", async () => {
    let taken = 0;
    function* endless(): Generator<number> {
      for (;;) yield taken++;
    }
    const gates: PromiseWithResolvers<void>[] = [];
    const all = eachPiece(endless(), () => {
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      return gate.promise;
    });
    expect(taken).toBe(4);
    gates[0]?.resolve();
    await Bun.sleep(0);
    expect(taken).toBe(5);
    gates[1]?.reject(new Error("first"));
    await Bun.sleep(0);
    gates[2]?.reject(new Error("second"));
    for (const gate of gates) gate.resolve();
    expect(all).rejects.toThrow("first");
    await all.catch(() => undefined);
    expect(taken).toBe(5);
  });
});

describe("a hash's vector", () => {
  test("is the same for the same input, of length 1, and about orthogonal to all others", () => {
    const vectors = ["a", "b", "", "a ", [1, 2], "1 2 "].map((input) => hashVector(hash, input, 384));
    for (const [i, one] of vectors.entries())
      for (const [k, other] of vectors.entries()) {
        const product = one.reduce((sum, value, at) => sum + value * (other[at] ?? 0), 0);
        if (i === k) expect(product).toBeCloseTo(1, 5);
        else expect(Math.abs(product)).toBeLessThan(0.3);
      }
    expect(hashVector(hash, "a", 384)).toEqual(vectors[0] as Float32Array);
  });

  test("stands: it may lie in somebody's database", () => {
    const fixed = (): string => "00000001000000020000000300000004";
    expect([...hashVector(fixed, "a", 4)].map((value) => value.toFixed(6))).toEqual(EXPECTED);
  });
});

/** From the definition, calculated with Python's whole numbers: xoshiro128** from the state 1, 2, 3, 5, then length 1. */
const EXPECTED = ["-0.505136", "-0.505139", "-0.503746", "-0.485707"];
