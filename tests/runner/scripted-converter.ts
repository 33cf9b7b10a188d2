/** A runner that converts nothing: it says who it is in a file, then crashes, or hangs for ever, as the folder's name tells. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FromRunner, ToRunner } from "../../src/core/runner-protocol.ts";

/** What it does when it is told to convert a folder of that name. */
export type Behaviour = "crash" | "hang";

process.on("message", (message: ToRunner) => {
  if (message.op !== "convert") return;
  writeFileSync(join(message.into, "openvino_model.xml"), "half of it");
  writeFileSync(join(message.into, "pid"), String(process.pid));
  if (message.directory === ("crash" satisfies Behaviour)) process.kill(process.pid, "SIGSEGV");
  else for (;;) Bun.sleepSync(1000);
});
process.on("disconnect", () => process.exit(0));
process.send?.({ ev: "started" } satisfies FromRunner);
