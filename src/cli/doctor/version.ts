/** Versions of drivers and kernels: "6.8.0-57-generic", "1.38.0". */

/** Whether a version comes before another; letters and what is behind a dash do not count. */
export function isBelow(version: string, other: string): boolean {
  const [left, right] = [numbers(version), numbers(other)];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function numbers(version: string): readonly number[] {
  return (/^\d+(\.\d+)*/.exec(version)?.[0] ?? "").split(".").map(Number);
}
