/** `npu-proxy prune`: removes what nothing needs any more. */
import { createInterface } from "node:readline/promises";
import type { Config } from "../config.ts";
import { ProxyError } from "../core/errors.ts";
import type { PruneReport } from "../core/library.ts";
import { openLibrary } from "./library.ts";
import { print, withoutControls } from "./output.ts";
import { humanSize } from "./table.ts";

/**
 * Says what removing would free, asks, and does it.
 * @throws ProxyError invalid_request where nobody can be asked and `yes` is not given
 */
export async function prune(config: Config, options: { readonly yes: boolean }, signal: AbortSignal): Promise<void> {
  await using opened = await openLibrary(config);
  const found = await opened.library.prune(true, signal);
  if (found.items.length === 0) return await print(`There is nothing to remove.\n${kept(found)}`);
  await print(listed(found) + kept(found));
  if (!options.yes && !(await agreed(signal))) return await print("Nothing was removed.\n");
  const freed = await opened.library.prune(false, signal);
  await print(`Freed ${humanSize(freed.bytes)}.\n`);
}

function listed({ items, bytes }: PruneReport): string {
  const rows = items.map((item) => `${humanSize(item.bytes).padStart(8)}  ${item.what}\n`);
  return withoutControls(`${rows.join("")}${humanSize(bytes).padStart(8)}  in all\n`);
}

function kept(report: PruneReport): string {
  const rows = report.kept.map(({ what, bytes, why }) => `${humanSize(bytes).padStart(8)}  ${what} (${why})\n`);
  return rows.length === 0 ? "" : withoutControls(`Kept:\n${rows.join("")}`);
}

async function agreed(signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw new ProxyError("invalid_request", "Nothing was removed: without a terminal to ask at, prune needs --yes.");
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const interrupt = new AbortController();
  terminal.on("SIGINT", () => interrupt.abort());
  terminal.on("close", () => interrupt.abort()); // Ctrl-D
  try {
    const answer = await terminal.question("Remove this? [y/N] ", {
      signal: AbortSignal.any([signal, interrupt.signal]),
    });
    return /^y(es)?$/i.test(answer.trim());
  } catch {
    await print("\n");
    signal.throwIfAborted();
    return false;
  } finally {
    terminal.close();
  }
}
