import { expect, test } from "bun:test";
import { decidedToken, faultOf, type Said } from "../../src/native/sanity.ts";

const said = (text: string, ...logprobs: (readonly [string, number])[]): Said => ({ text, logprobs });

test("what broken arithmetic looks like", () => {
  expect(faultOf(said(" five one", [" five", -0.01], [" one", 0]))).toBeUndefined();
  expect(faultOf(said(" five", [" five", 1e-6]))).toBeUndefined(); // rounding
  expect(faultOf(said("!!!!"))).toBeUndefined(); // no probabilities to judge by
  for (const wrong of [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY])
    expect(faultOf(said(" five one", [" five", -0.01], [" one", wrong]))).toMatch(/no numbers/);
  expect(faultOf(said(" five", [" five", 2.5]))).toMatch(/above 1/);
  expect(faultOf(said(" fi\0ve"))).toMatch(/NUL/);
});

test("another first token than the CPU's", () => {
  expect(faultOf(said(" five one two"), " five")).toBeUndefined();
  expect(faultOf(said("fluffy fluffy"), " five")).toBe('its answer begins "fluffy fluffy" where the CPU says " five"');
  expect(faultOf(said(""), " five")).toMatch(/begins "" where/);
});

test("a first token is kept for comparison only where it is no toss-up and whole", () => {
  expect(decidedToken(said(" five one", [" five", -0.05], [" one", -3]))).toBe(" five");
  expect(decidedToken(said(" five", [" five", -0.2]))).toBeUndefined();
  expect(decidedToken(said(" five"))).toBeUndefined();
  expect(decidedToken(said("  five", [" ", 0], [" five", 0]))).toBeUndefined();
  expect(decidedToken(said("五", ["\uFFFD", 0], ["", 0]))).toBeUndefined();
  expect(decidedToken(said("five", [" five", 0]))).toBeUndefined(); // not what other pipelines would show
});
