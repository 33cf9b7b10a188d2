import { expect, test } from "bun:test";
import { lengthsOf, normalized, numbersOf } from "../../src/server/vector.ts";

const read = (text: string) => Float32Array.from(JSON.parse(text) as number[]);

/** float32 numbers by their bits. */
function floats(bits: readonly number[]): Float32Array {
  return new Float32Array(Uint32Array.from(bits).buffer);
}

test("every float32 comes back from its text exactly, around every power of ten", () => {
  for (let power = -45; power <= 38; power++) {
    const [middle = 0] = new Uint32Array(Float32Array.of(10 ** power).buffer);
    const near = floats(Array.from({ length: 401 }, (_, i) => Math.max(0, middle - 200 + i))).filter(Number.isFinite);
    const both = Float32Array.from([...near, ...near.map((value) => -value)]);
    expect(read(numbersOf(both))).toEqual(both);
  }
});

test("float32 numbers of all sizes come back, nine digits each at most", () => {
  let bits = 12_345;
  const values = Array.from({ length: 100_000 }, () => {
    bits = (Math.imul(bits, 1_664_525) + 1_013_904_223) >>> 0;
    return bits;
  });
  const all = floats(values).filter(Number.isFinite);
  const text = numbersOf(all);
  expect(read(text)).toEqual(all);
  const digits = text
    .slice(1, -1)
    .split(",")
    .map(
      (number) =>
        number
          .replace(/e.*|[-.]/g, "")
          .replace(/^0+/, "")
          .replace(/0+$/, "").length,
    );
  expect(Math.max(...digits)).toBe(9);
});

test("a short vector and an empty one", () => {
  expect(numbersOf(Float32Array.of(0, 1, -0.5, 2))).toBe("[0,1,-0.500000000,2]");
  expect(numbersOf(new Float32Array())).toBe("[]");
});

test("of length 1, in the same direction; the vector itself stays as it is", () => {
  const vector = Float32Array.of(3, -4);
  const [length = 0] = lengthsOf([vector]);
  expect([...normalized(vector, length)]).toEqual([Math.fround(0.6), Math.fround(-0.8)]);
  expect([...vector]).toEqual([3, -4]);
  const nowhere = new Float32Array(2);
  expect([...normalized(nowhere, lengthsOf([nowhere])[0] ?? 0)]).toEqual([0, 0]);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY])("%p in a vector is the model's failure", (value) => {
  expect(() => lengthsOf([Float32Array.of(1), Float32Array.of(1, value)])).toThrow(
    expect.objectContaining({ code: "inference_failed" }),
  );
});
