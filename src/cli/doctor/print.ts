/** Findings as people read them. */
import type { DeviceInfo } from "../../core/request.ts";
import { withoutControls } from "../output.ts";
import { wrapped } from "../table.ts";
import type { Finding, Status } from "./finding.ts";

const MARKS: Readonly<Record<Status, string>> = { ok: "✓", warning: "!", problem: "✗", skipped: "-" };
const ID_WIDTH = 20;

/** Findings below their heading; marks at a terminal, words in a pipe. */
export function section(heading: string, findings: readonly Finding[], terminal: boolean): string {
  const lines = findings.map((finding) => entry(finding, terminal));
  return `\n${heading}\n${lines.join("")}`;
}

/** One finding and, below it, its advice. */
export function entry({ id, status, found, advice }: Finding, terminal: boolean): string {
  const mark = terminal ? MARKS[status] : status.padEnd(7);
  const head = `  ${mark} ${id.padEnd(ID_WIDTH)} `;
  const line = (text: string): string => `${wrapped(withoutControls(text).replace(/\n\s*/g, " "), head.length)}\n`;
  return line(head + found) + (advice ? line(`${" ".repeat(head.length)}${terminal ? "→" : "->"} ${advice}`) : "");
}

/** The last line. */
export function summary(findings: readonly Finding[], devices: readonly DeviceInfo[]): string {
  const count = (status: Status): number => findings.filter((finding) => finding.status === status).length;
  const parts = [
    [count("problem"), "problem"],
    [count("warning"), "warning"],
  ] as const;
  const told = parts
    .filter(([number]) => number > 0)
    .map(([number, word]) => `${number} ${word}${number > 1 ? "s" : ""}`);
  const works = devices.filter(({ name }) =>
    findings.some(({ id, status }) => id === `inference.${name}` && status === "ok"),
  );
  const names = works.map(({ name, emulated }) => (emulated ? `${name} (emulated)` : name)).join(", ");
  return `\n${told.join(", ") || "No problems"}. ${names ? `Models run on: ${names}.` : "No model can run here."}\n`;
}
