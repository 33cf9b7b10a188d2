/** Tables of plain text, and the measures in them as people read them. */
import { outputWidth, withoutControls } from "./output.ts";

/** Columns of a name that stay beside the others, however narrow the terminal. */
const NARROWEST_NAME = 16;

/**
 * Columns aligned by their widest cell, three spaces apart (two where that helps to fit the terminal); every cell on one
 * line. At a terminal that is too narrow, a name that is too long for its column has a line of its own above its row.
 * @param remarks what is told below a row; "" for nothing
 */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  remarks: readonly string[] = [],
): string {
  const most = outputWidth();
  const lines = [header, ...rows].map((row) => row.map(onOneLine));
  const widths = header.map((_, column) => Math.max(...lines.map((line) => Bun.stringWidth(line[column] ?? ""))));
  const sum = (gap: number): number => widths.reduce((total, width) => total + gap + width, -gap);
  const gap = sum(3) <= most ? 3 : 2;
  const [longest = 0] = widths;
  widths[0] = Math.min(longest, Math.max(NARROWEST_NAME, longest - Math.max(0, sum(gap) - most)));
  const pad = (cell: string, column: number): string =>
    cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - Bun.stringWidth(cell)));
  const joined = (line: readonly string[]): string => `${line.map(pad).join(" ".repeat(gap)).trimEnd()}\n`;
  return lines
    .map((line, index) => {
      const [name = "", ...cells] = line;
      const long = Bun.stringWidth(name) > (widths[0] ?? 0);
      const remark = onOneLine(remarks[index - 1] ?? "");
      return (
        (long ? `${name}\n${joined(["", ...cells])}` : joined(line)) + (remark && `${wrapped(`  ${remark}`, 2)}\n`)
      );
    })
    .join("");
}

/** Text broken between words where the terminal ends, its further lines indented by `indent` columns. */
export function wrapped(text: string, indent: number): string {
  const most = outputWidth();
  const lines = [""];
  for (const word of text.split(/(?<=\S) /)) {
    const line = lines.at(-1) ?? "";
    if (line.trim() === "" || Bun.stringWidth(`${line} ${word}`) <= most)
      lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
    else lines.push(" ".repeat(indent) + word);
  }
  return lines.join("\n");
}

function onOneLine(cell: string): string {
  return withoutControls(cell).replace(/\s+/g, " ");
}

/** Bytes as "1.4 GB": decimal units, as disks and Ollama count. */
export function humanSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A count as "940", "12.3k" or "1.2M". */
export function humanCount(count: number): string {
  if (count < 1000) return String(count);
  const [value, unit] = count < 999_500 ? [count / 1000, "k"] : [count / 1e6, "M"];
  return `${value >= 99.95 ? Math.round(value) : value.toFixed(1)}${unit}`;
}

/** The time between two moments as "3 hours ago" or "5 minutes from now"; more than ten years ahead is "forever". */
export function humanAge(then: Date, now: Date): string {
  const seconds = Math.round((now.getTime() - then.getTime()) / 1000);
  const distance = Math.abs(seconds);
  if (seconds < -10 * 31_557_600) return "forever";
  if (distance < 5) return "now";
  const units: readonly [string, number][] = [
    ["year", 31_557_600],
    ["month", 2_629_800],
    ["week", 604_800],
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
    ["second", 1],
  ];
  const [name, length] = units.find(([, unit]) => distance >= unit) ?? ["second", 1];
  const count = Math.floor(distance / length);
  const span = `${count} ${name}${count === 1 ? "" : "s"}`;
  return seconds > 0 ? `${span} ago` : `${span} from now`;
}
