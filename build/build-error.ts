/** What stops a build command: a sentence for the developer, printed on stderr without a stack. Exit code 1. */
export class BuildError extends Error {
  override readonly name = "BuildError";
}

/** Runs a build command to its exit code; a BuildError or a failed file operation is one sentence on stderr and a 1. */
export async function runMain(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (thrown) {
    const explained = thrown instanceof BuildError || (thrown instanceof Error && "syscall" in thrown);
    console.error(explained ? `\n${thrown.message}` : thrown);
    process.exitCode = 1;
  }
}
