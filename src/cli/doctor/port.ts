/** Who has the server's port. */
import type { Config } from "../../config.ts";
import { ProxyError } from "../../core/errors.ts";
import { isLoopback, reachableHost } from "../address.ts";
import { connectServer } from "../connect.ts";
import { type Finding, finding } from "./finding.ts";

/** port: free, ours, or somebody else's. */
export async function portFinding(config: Config, signal: AbortSignal): Promise<Finding> {
  const id = "port";
  const { port } = config;
  if (port === 0) return finding(id, "ok", "The server takes any free port.");
  try {
    const client = await connectServer(config, signal);
    if (client)
      return finding(id, "ok", `A server runs at port ${port}; what is timed below shares the devices with it.`);
    return finding(id, "ok", `Port ${port} is free.`);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ProxyError)) throw error;
    // On this machine a refused connection means that the port is free: what ended in an error has an owner.
    if (isLoopback(reachableHost(config.host)))
      return finding(
        id,
        "problem",
        `Something else answers at port ${port}.`,
        "Stop it, or choose another port: npu-proxy serve --port 0",
      );
    return finding(
      id,
      "warning",
      `No npu-proxy answers at port ${port} of the host that is set.`,
      "Start it there, or unset NPU_PROXY_HOST.",
    );
  }
}
