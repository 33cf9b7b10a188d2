/** What a JUnit report says. */
export interface TestReport {
  readonly passed: number;
  readonly failed: number;
  /** Skipped or todo. */
  readonly skipped: number;
  readonly files: readonly { readonly name: string; readonly seconds: number }[];
}

/** Reads what `bun test --reporter=junit` writes. Counts test cases themselves, not the suites' sums. */
export function readTestReport(xml: string): TestReport {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const [, body = ""] of xml.matchAll(/<testcase\b(?:[^>"]|"[^"]*")*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
    if (/<skipped\b/.test(body)) skipped++;
    else if (/<(failure|error)\b/.test(body)) failed++;
    else passed++;
  }
  // A file's own suite is the one named like the file; its time has the hooks in it.
  const suites = xml.matchAll(/<testsuite name="([^"]*)" file="\1" [^>]*?\btime="([^"]*)"/g);
  const files = [...suites].map(([, name = "", seconds]) => ({ name, seconds: Number(seconds) }));
  return { passed, failed, skipped, files };
}
