/** The demo model of this checkout, and copies of it to break. */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const DEMO = join(import.meta.dir, "..", "..", "build", "demo-model", "model");

/** A folder of this test's own; dispose of it with `using`. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "npu-proxy-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Copies the demo into `folder`/`name`. */
export function copyDemo(folder: string, name: string): string {
  const target = join(folder, name);
  cpSync(DEMO, target, { recursive: true });
  return target;
}
