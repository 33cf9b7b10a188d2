/**
 * `bun run sanitize`: the addon's engine without N-API, built with AddressSanitizer and UBSan, and its driver run on the
 * demo model. The last line is the driver's own "N passed, N failed".
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { BuildError, runMain } from "./build-error.ts";
import { cacheFolder } from "./cache-folder.ts";
import { run } from "./command.ts";
import { readPins } from "./pins.ts";
import { cxxCompiler } from "./prerequisites.ts";
import { inProject, outFolder } from "./project.ts";
import { ensureOpenVino } from "./runtime.ts";

const buildFolder = join(outFolder, "sanitize");

async function sanitize(): Promise<number> {
  const compiler = cxxCompiler();
  if (compiler === undefined) throw new BuildError("There is no C++ compiler on the PATH.");
  const openvino = await ensureOpenVino(readPins(), cacheFolder(), console.log);
  await succeed([
    ...["cmake", "-S", inProject("src", "native", "addon"), "-B", buildFolder, "-DCMAKE_BUILD_TYPE=Debug"],
    ...[`-DCMAKE_CXX_COMPILER=${compiler}`, "-DNPU_PROXY_DRIVER=ON", "-DNPU_PROXY_SANITIZE=ON"],
    ...[`-DNPU_PROXY_OPENVINO_INCLUDE=${openvino.include}`, `-DNPU_PROXY_LIBRARIES=${openvino.libraries}`],
  ]);
  await succeed(["cmake", "--build", buildFolder, "--parallel", String(availableParallelism())]);
  const driver = join(buildFolder, "engine-driver");
  const { code } = await run([driver, inProject("build", "demo-model", "model")], {
    inherit: true,
    env: {
      // The vendor's libraries are not instrumented; what each of these is for stands in the driver's own comment.
      TBB_ENABLE_SANITIZERS: "1",
      ASAN_OPTIONS: "detect_container_overflow=0:detect_odr_violation=0:alloc_dealloc_mismatch=0",
      LSAN_OPTIONS: `suppressions=${inProject("tests", "native", "engine-driver", "leaks.supp")}`,
      UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
    },
    timeoutMs: 300_000,
  });
  return code;
}

async function succeed(command: readonly string[]): Promise<void> {
  const { code, output } = await run(command);
  if (code !== 0) throw new BuildError(`The engine could not be built (exit code ${code}):\n${output.trim()}`);
}

void runMain(sanitize);
