/** The results as people read them. */
import type { Numbers } from "./measurement.ts";

export interface Row {
  readonly streams: number;
  readonly bare: Numbers;
  readonly product: Numbers;
  readonly against?: Numbers;
}

/** @param other address of a third server, where one was measured */
export function resultTable(rows: readonly Row[], other: string | undefined): string {
  const head = [
    ...["streams", "who", "TTFT ms", "µs/token", "tokens/s", "tokens/s : bare", "TTFT - bare ms", "µs/token - bare"],
    "machine µs a token - bare",
  ];
  const lines = rows.flatMap(({ streams, bare, product, against }) => [
    line(String(streams), "bare GenAI", bare, undefined),
    line("", "npu-proxy", product, bare),
    ...(against ? [line("", other ?? "other", against, bare)] : []),
  ]);
  const widths = head.map((title, at) =>
    Math.max(...[head, ...lines].map((cells) => cells[at]?.length ?? 0), title.length),
  );
  return [head, ...lines].map((cells) => cells.map((cell, at) => cell.padStart(widths[at] ?? 0)).join("  ")).join("\n");
}

function line(streams: string, who: string, numbers: Numbers, bare: Numbers | undefined): string[] {
  const { ttftMs, tokenUs, tokensPerSecond } = numbers;
  return [
    ...[streams, who, ttftMs.toFixed(2), tokenUs.toFixed(0), tokensPerSecond.toFixed(0)],
    ...(bare
      ? [
          (tokensPerSecond / bare.tokensPerSecond).toFixed(2),
          (ttftMs - bare.ttftMs).toFixed(2),
          (tokenUs - bare.tokenUs).toFixed(0),
          (1e6 / tokensPerSecond - 1e6 / bare.tokensPerSecond).toFixed(0),
        ]
      : ["", "", "", ""]),
  ];
}
