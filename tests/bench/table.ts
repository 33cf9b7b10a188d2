/** The results as people read them. */
import type { Numbers } from "./measurement.ts";

export interface Row {
  /** Requests that ran together. */
  readonly streams: number;
  /** Bare GenAI first. */
  readonly results: readonly { readonly name: string; readonly median: Numbers; readonly rounds: readonly Numbers[] }[];
}

const HEAD = [
  ...["streams", "", "TTFT ms", "µs/token", "tokens/s", "processor µs/token"],
  ...["over bare: TTFT ms", "µs/token", "processor µs/token", "tokens/s ratio"],
];

export function resultTable(rows: readonly Row[]): string {
  const lines = rows.flatMap(({ streams, results }) =>
    results.map(({ name, median }, at) => line(at === 0 ? String(streams) : "", name, median, results[0]?.median)),
  );
  const cells = [HEAD, ...lines];
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join("  ")).join("\n");
}

function line(streams: string, name: string, numbers: Numbers, bare: Numbers | undefined): string[] {
  const { ttftMs, tokenUs, tokensPerSecond, processorUs } = numbers;
  const own = [ttftMs.toFixed(2), tokenUs.toFixed(0), tokensPerSecond.toFixed(0), told(processorUs, processorUs)];
  if (!bare || bare === numbers) return [streams, name, ...own];
  return [
    ...[streams, name, ...own],
    (ttftMs - bare.ttftMs).toFixed(2),
    (tokenUs - bare.tokenUs).toFixed(0),
    told(processorUs, processorUs - bare.processorUs),
    (tokensPerSecond / bare.tokensPerSecond).toFixed(2),
  ];
}

/** Nothing is told of a server whose processes are not known. */
function told(processorUs: number, value: number): string {
  return processorUs === 0 ? "" : value.toFixed(0);
}
