/** Standard output and standard error, with back-pressure, and safe for the terminal that shows them. */

/** The reader of stdout left, as in `npu-proxy list | head -1`: nothing more to say, and no failure. */
export class ReaderLeft extends Error {
  override readonly name = "ReaderLeft";
}

// Without listeners an EPIPE would end the process; `print` learns of it through its callback.
process.stdout.on("error", () => {});
process.stderr.on("error", () => {});

/** Writes to stdout; resolves when the text was taken over. @throws ReaderLeft */
export function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(new ReaderLeft(error.message)) : resolve()));
  });
}

/** Writes to stderr; never fails: who does not read it loses it. */
export function printError(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stderr.write(text, () => resolve());
  });
}

/** A model's text as it may go to stdout: as it is into a pipe or a file, without control sequences to a terminal. */
export function forStdout(text: string): string {
  return process.stdout.isTTY ? withoutControls(text) : text;
}

/** Text without control characters (tab and line feed apart): nothing that moves a cursor or renames a window. */
export function withoutControls(text: string): string {
  return text.replace(/(?![\t\n])\p{Cc}/gu, "");
}

/** Columns of the terminal on stdout; without one there is no limit. */
export function outputWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY;
}
