/** Names that a misspelt one may have meant. */

/** Longest name that is compared: what is longer is no misspelling, and comparing takes time by both lengths. */
const MOST_LETTERS = 100;

/** Of `names`, those that at most `within` letters set apart from `name`, nearest first; without case. */
export function nearest(
  name: string,
  names: readonly string[],
  { within, most = 3 }: { readonly within: number; readonly most?: number },
): readonly string[] {
  const wanted = name.toLowerCase();
  if (wanted.length > MOST_LETTERS) return [];
  return [...new Set(names)]
    .map((candidate) => ({ candidate, letters: distance(wanted, candidate.toLowerCase()) }))
    .filter(({ letters }) => letters <= within)
    .sort((a, b) => a.letters - b.letters)
    .slice(0, most)
    .map(({ candidate }) => candidate);
}

/** Letters to insert, remove or change to turn one name into the other (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1];
    for (const [column, other] of [...to].entries()) {
      const change = (row[column] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(change, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
