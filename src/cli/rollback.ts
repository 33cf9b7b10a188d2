/** `npu-proxy rollback NAME`: back to the revision before the last pull. */
import type { Config } from "../config.ts";
import { openLibrary } from "./library.ts";
import { print } from "./output.ts";

/** Puts the revision before the last pull in its place. @throws ProxyError model_not_found, invalid_request */
export async function rollback(config: Config, name: string): Promise<void> {
  await using opened = await openLibrary(config);
  const { model, commit } = await opened.library.rollback(name);
  await print(`${model} is back at ${commit === "" ? "the revision before" : `commit ${commit.slice(0, 12)}`}.\n`);
}
