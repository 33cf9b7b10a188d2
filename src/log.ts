/** The log: one line per event on stderr, for people and for grep alike. */
import type { LogFields, LogLevel, Observer } from "./core/ports.ts";

/** From the chattiest to the quietest; a level shows itself and what stands behind it. */
export const logLevels = ["debug", "info", "warn", "error"] as const satisfies readonly LogLevel[];

/** Bytes of log that may wait for a reader of stderr which does not read; what comes on top is dropped and counted. */
const PENDING_LIMIT = 1 << 20;

/** What a log writes to: the part of a Node stream that it uses. */
export interface LogStream {
  write(text: string, done: (error?: Error | null) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/**
 * An Observer that writes `2026-01-31T12:00:00.000Z info message key=value …` lines. Values with spaces, quotes, `=` or
 * control characters are quoted as JSON strings; undefined ones are left out.
 * A reader that left (EPIPE) or does not read costs lines, never the process and never unbounded memory.
 */
export function createLog(
  level: LogLevel,
  stream: LogStream = process.stderr,
  date: () => Date = () => new Date(),
): Observer {
  const threshold = logLevels.indexOf(level);
  let pending = 0;
  let dropped = 0;
  // Without a listener an EPIPE would end the process.
  stream.on("error", () => {});

  const write = (line: string): void => {
    pending += line.length;
    stream.write(line, () => {
      pending -= line.length;
    });
  };

  return {
    log(lineLevel, message, fields = {}) {
      if (logLevels.indexOf(lineLevel) < threshold) return;
      if (pending > PENDING_LIMIT) {
        dropped += 1;
        return;
      }
      if (dropped > 0) write(formatLine(date(), "warn", "log lines lost: nobody read stderr", { lines: dropped }));
      dropped = 0;
      write(formatLine(date(), lineLevel, message, fields));
    },
  };
}

function formatLine(date: Date, level: LogLevel, message: string, fields: LogFields): string {
  const parts = [date.toISOString(), level, escapeControls(message)];
  for (const [key, value] of Object.entries(fields))
    if (value !== undefined) parts.push(`${key}=${formatValue(String(value))}`);
  return `${parts.join(" ")}\n`;
}

function formatValue(value: string): string {
  return /^[^\s"=\\\p{Cc}\u2028\u2029]+$/u.test(value) ? value : escapeControls(JSON.stringify(value));
}

/** A line stays one line and cannot move the cursor of the terminal that shows it. */
function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
