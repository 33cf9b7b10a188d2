/** argv in, exit code out. The only place that ends the process. */
import { runCommandLine } from "./cli/program.ts";

void runCommandLine(process.argv.slice(2)).then((code) => process.exit(code));
