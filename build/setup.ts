import { ensureRuntime } from "./addon.ts";
import { runMain } from "./build-error.ts";
import { cacheFolder } from "./cache-folder.ts";
import { ensurePackages } from "./packages.ts";
import { readPins } from "./pins.ts";
import { checkPrerequisites } from "./prerequisites.ts";
import { ensureOpenVino } from "./runtime.ts";
import { takeSetupLock } from "./setup-lock.ts";

/**
 * Brings a fresh checkout to where it runs, or does nothing where it does already; may be interrupted at any point.
 * It runs before node_modules exists: this folder's modules use what Bun brings and nothing else.
 * @returns the folder of the native runtime
 * @throws BuildError
 */
export async function setup(): Promise<string> {
  const pins = readPins();
  const cache = cacheFolder();
  step(1, "prerequisites");
  await checkPrerequisites(detail);
  const release = takeSetupLock(detail);
  try {
    step(2, "packages");
    await ensurePackages(detail);
    step(3, "native libraries");
    const openvino = await ensureOpenVino(pins, cache, detail);
    step(4, "native addon");
    return await ensureRuntime(pins, openvino, cache, detail);
  } finally {
    release();
  }
}

function step(number: number, title: string): void {
  console.log(`[${number}/4] ${title}`);
}

function detail(line: string): void {
  console.log(`      ${line}`);
}

if (import.meta.main)
  void runMain(async () => {
    console.log(`The native runtime is in ${await setup()}`);
    return 0;
  });
