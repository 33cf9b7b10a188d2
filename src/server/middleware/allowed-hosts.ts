import { createMiddleware } from "hono/factory";
import { ProxyError } from "../../core/errors.ts";
import { errorResponse } from "../errors.ts";
import type { ServerEnv } from "../exchange.ts";

/**
 * Two guards against web pages that a browser on this machine shows: a Host that is neither loopback nor configured
 * (DNS rebinding) gets 421, an Origin that is neither gets 403. Clients that are no browsers send no Origin, and
 * HTTP/1.0 no Host.
 */
export function allowedHosts(configured: readonly string[]) {
  const names = new Set(configured.map(hostName));
  const allowed = (host: string) => isLoopback(hostName(host)) || names.has(hostName(host));
  return createMiddleware<ServerEnv>(async (c, next) => {
    const host = c.req.header("Host");
    if (host !== undefined && !allowed(host)) {
      c.get("exchange").error = "host_not_allowed";
      c.header("X-NPU-Proxy-Error", "host_not_allowed");
      return c.text("This host name is not allowed; start npu-proxy with --allowed-hosts to add it.", 421);
    }
    const origin = c.req.header("Origin");
    if (origin !== undefined && !allowed(origin.replace(/^https?:\/\//i, ""))) {
      const error = new ProxyError(
        "host_not_allowed",
        "Pages of this origin may not use this server; start npu-proxy with --allowed-hosts to add its host name.",
      );
      return errorResponse(error, c.get("exchange"), c.get("dialect"), 403);
    }
    await next();
    return undefined;
  });
}

/** Lower case, without port, brackets and the dot of an absolute name. */
export function hostName(host: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host.trim().toLowerCase()) ?? [];
  return bracketed ?? plain?.replace(/\.$/, "") ?? host;
}

export function isLoopback(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost") || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name);
}
