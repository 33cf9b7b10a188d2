import { describe, expect, test } from "bun:test";
import { StopMatcher } from "../../src/core/stops.ts";

/** What a reader sees when `text` arrives cut into pieces of `size` UTF-16 units. */
function stream(stops: string[], text: string, size: number): { text: string; stopped: boolean } {
  const matcher = new StopMatcher(stops);
  let seen = "";
  for (let at = 0; at < text.length; at += size) {
    const result = matcher.push(text.slice(at, at + size));
    seen += result.text;
    if (result.stopped) return { text: seen, stopped: true };
  }
  return { text: seen + matcher.flush(), stopped: false };
}

const CASES: [stops: string[], text: string, expected: string, stopped: boolean][] = [
  [["END"], "one END two", "one ", true],
  [["END"], "one EN two E", "one EN two E", false],
  [["aab"], "aaab", "a", true],
  [["\n\n", "User:"], "Hi\nUser: x", "Hi\n", true],
  [["longer stop", "stop"], "a longer stop", "a ", true],
  [["b", "abc"], "abc", "a", true],
  [[""], "all of it", "all of it", false],
  [[], "all of it", "all of it", false],
  [["🙂"], "smile 🙂 on", "smile ", true],
];

describe("stop strings", () => {
  for (const [stops, text, expected, stopped] of CASES)
    for (const size of [1, 2, 3, 100])
      test(`${JSON.stringify(stops)} in ${JSON.stringify(text)}, ${size} at a time`, () => {
        expect(stream(stops, text, size)).toEqual({ text: expected, stopped });
      });

  test("what no stop can reach is sent at once", () => {
    const matcher = new StopMatcher(["<end>"]);
    expect(matcher.push("hello").text).toBe("hello");
    expect(matcher.push(" <e").text).toBe(" ");
    expect(matcher.push("x").text).toBe("<ex");
  });
});
