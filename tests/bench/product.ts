/** The product: a real daemon on a free port, with the measured model on the CPU. */
import { symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { inProject } from "../../build/project.ts";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { temporaryFolder } from "../support/demo.ts";

export interface Product extends AsyncDisposable {
  readonly daemon: Daemon;
  /** What its API calls the model. */
  readonly model: string;
}

/** @param runtime the folder of native libraries; @param executable in the place of this checkout's sources */
export async function startProduct(
  directory: string,
  runtime: string,
  executable: string | undefined,
): Promise<Product> {
  const models = temporaryFolder();
  const model = basename(directory).toLowerCase();
  symlinkSync(directory, join(models.path, model));
  const daemon = await startDaemon(
    { NPU_PROXY_DEVICE: "CPU", NPU_PROXY_MODEL_PATH: models.path, NPU_PROXY_RUNTIME_DIR: runtime },
    executable === undefined ? [process.execPath, inProject("src", "main.ts")] : [executable],
  );
  return {
    daemon,
    model,
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      models[Symbol.dispose]();
    },
  };
}
