/** Loads the addon from the runtime folder, once per process, and lets it check itself before anything uses it. */
import { join } from "node:path";
import { ProxyError } from "../core/errors.ts";
import type { Addon } from "./contract.ts";

/** @throws ProxyError runtime_failed: the folder was found and verified, and still does not load. */
export function loadAddon(runtimeDirectory: string): Addon {
  const file = join(runtimeDirectory, "addon.node");
  try {
    const module = { exports: {} as Addon };
    process.dlopen(module, file);
    module.exports.selfCheck();
    return module.exports;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProxyError("runtime_failed", `The native runtime does not load: ${advice(reason)}`, {
      detail: `${file}: ${reason}`,
    });
  }
}

function advice(reason: string): string {
  if (/libstdc\+\+|GLIBCXX|GLIBC_|libgcc_s/.test(reason))
    return "the system's C++ library is missing or too old; it needs glibc 2.28 and libstdc++ 6 (Debian 11 or later).";
  if (/failed to map segment|Operation not permitted/.test(reason))
    return "its folder is on a file system mounted noexec; set NPU_PROXY_CACHE_DIR to another one.";
  return "see the log for the loader's own words, and run `bun run setup` again.";
}
