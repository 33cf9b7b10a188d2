/** The version of npu-proxy: what `--version`, the log and `/health` say. package.json is its only source. */
import manifest from "../package.json" with { type: "json" };

export const version: string = manifest.version;
