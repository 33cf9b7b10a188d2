import { join } from "node:path";

/** The checkout's folder. */
export const projectFolder = join(import.meta.dir, "..");

/** What the build makes and git does not know. */
export const outFolder = join(import.meta.dir, "out");

/** A path below the checkout. */
export function inProject(...parts: readonly string[]): string {
  return join(projectFolder, ...parts);
}
