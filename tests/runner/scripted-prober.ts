/** A runner whose drivers do as its arguments say, for each kind: "CPU=works", "GPU=crashes", "NPU=refuses". */
import type { FromRunner, ToRunner } from "../../src/core/runner-protocol.ts";

/** What a kind's driver does when it is asked. */
export type Script = `${"CPU" | "GPU" | "NPU"}=${"works" | "emulates" | "lacks" | "crashes" | "refuses" | "hangs"}`;

const scripts = new Map(process.argv.slice(2).map((argument) => argument.split("=") as [string, string]));

function send(message: FromRunner): void {
  process.send?.(message);
}

process.on("message", (message: ToRunner) => {
  if (message.op !== "devices") return;
  const { kind } = message;
  const script = scripts.get(kind);
  if (script === "crashes") process.kill(process.pid, "SIGSEGV");
  if (script === "refuses") send({ ev: "error", code: "runtime_mismatch", message: "Another library." });
  if (script === "works") send({ ev: "devices", devices: [{ name: kind, fullName: kind, emulated: false }] });
  if (script === "emulates")
    send({ ev: "devices", devices: [kind, "NPU"].map((name) => ({ name, fullName: name, emulated: name !== kind })) });
  if (script === "lacks") send({ ev: "devices", devices: [] });
  if (script === "refuses") process.exit(1);
});
process.on("disconnect", () => process.exit(0));
send({ ev: "started" });
