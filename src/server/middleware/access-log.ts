import { createMiddleware } from "hono/factory";
import { asProxyError } from "../../core/errors.ts";
import type { Dialect } from "../dialect.ts";
import { Exchange, type ServerEnv } from "../exchange.ts";
import type { ServerOptions } from "../options.ts";
import { requestId } from "./request-id.ts";

/**
 * Opens the exchange of a request, and closes it with its log line and the headers that every response has. A stream's
 * line is written by the stream: code after `next()` runs when its body only starts.
 */
export function accessLog(options: Required<ServerOptions>, dialect: Dialect) {
  const { clock, observer, version } = options;
  return createMiddleware<ServerEnv>(async (c, next) => {
    const exchange = new Exchange({ id: requestId(c.req.header("X-Request-ID")), api: c.req.path, clock, observer });
    c.set("exchange", exchange);
    c.set("dialect", dialect);
    await next();
    c.res.headers.set("X-Request-ID", exchange.id);
    c.res.headers.set("X-NPU-Proxy-Version", version);
    if (!exchange.streaming) exchange.end(c.res.status);
  });
}

/** Makes an Error of whatever is thrown: Hono's onError never sees a thrown string. */
export const catchAnything = createMiddleware(async (_c, next) => {
  try {
    await next();
  } catch (thrown) {
    throw asProxyError(thrown);
  }
});
