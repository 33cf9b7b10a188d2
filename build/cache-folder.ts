import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { BuildError } from "./build-error.ts";

/**
 * Where downloaded and built things live, by the same rule as the server's own: NPU_PROXY_CACHE_DIR, else
 * $XDG_CACHE_HOME/npu-proxy or ~/.cache/npu-proxy, on Windows %LOCALAPPDATA%\npu-proxy\cache.
 */
export function cacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const chosen = env["NPU_PROXY_CACHE_DIR"];
  if (chosen) return resolve(chosen);
  if (process.platform === "win32") {
    const local = env["LOCALAPPDATA"];
    if (local) return join(local, "npu-proxy", "cache");
    throw new BuildError("LOCALAPPDATA is not set, so there is no cache folder. Set NPU_PROXY_CACHE_DIR to a folder.");
  }
  const xdg = env["XDG_CACHE_HOME"];
  // The XDG specification: a relative path is to be ignored.
  if (xdg?.startsWith("/")) return join(xdg, "npu-proxy");
  const home = env["HOME"] || homedir();
  if (home?.startsWith("/")) return join(home, ".cache", "npu-proxy");
  throw new BuildError("HOME is not set, so there is no cache folder. Set HOME or NPU_PROXY_CACHE_DIR to a folder.");
}
