/** Tables of plain text, and the measures in them as people read them. */
import { withoutControls } from "./output.ts";

/** Columns aligned by their widest cell, three spaces apart; every cell on one line. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows].map((row) => row.map((cell) => withoutControls(cell).replace(/\s+/g, " ")));
  const widths = header.map((_, column) => Math.max(...lines.map((line) => Bun.stringWidth(line[column] ?? ""))));
  const pad = (cell: string, column: number): string =>
    cell + " ".repeat((widths[column] ?? 0) - Bun.stringWidth(cell));
  return lines.map((line) => `${line.map(pad).join("   ").trimEnd()}\n`).join("");
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

/** The time between two moments as "3 hours ago" or "in 5 minutes"; more than ten years ahead is "forever". */
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
  return seconds > 0 ? `${span} ago` : `in ${span}`;
}
