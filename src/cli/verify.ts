/** `npu-proxy verify [NAME]`: hashes the files of models again. */
import type { Config } from "../config.ts";
import { exitCode } from "./exit-codes.ts";
import { openLibrary } from "./library.ts";
import { print, withoutControls } from "./output.ts";

/** Tells of each model whether its files are what was pulled. Resolves with 1 where one is broken and stays so. */
export async function verify(
  config: Config,
  name: string | undefined,
  options: { readonly repair: boolean },
  signal: AbortSignal,
): Promise<number> {
  await using opened = await openLibrary(config);
  let code: number = exitCode.ok;
  for await (const { model, broken, repaired, unknown } of opened.library.verify(name, options.repair, signal)) {
    const whole = broken.length === 0;
    if (!whole && !repaired) code = exitCode.failure;
    const verdict = unknown ?? (whole ? "whole" : repaired ? "repaired" : "broken");
    const files = broken.map(({ file, what }) => `  ${file}: ${what}\n`);
    await print(withoutControls(`${model}: ${verdict}\n${files.join("")}`));
  }
  if (code === exitCode.ok) return code;
  await print(
    options.repair
      ? "Nothing on the hub is the same as what is still broken: import or create it again, or remove it.\n"
      : "To pull what is broken again: npu-proxy verify --repair\n",
  );
  return code;
}
