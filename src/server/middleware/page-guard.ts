import { createMiddleware } from "hono/factory";
import { ProxyError } from "../../core/errors.ts";
import { errorResponse } from "../errors.ts";
import type { ServerEnv } from "../exchange.ts";
import { hostName, isLoopback } from "./allowed-hosts.ts";

/** Keeps web pages of other machines away from what changes the store, whichever hosts are allowed to ask for answers. */
export const pageGuard = createMiddleware<ServerEnv>(async (c, next) => {
  const origin = c.req.header("Origin");
  const foreign = origin !== undefined && !isLoopback(hostName(origin.replace(/^https?:\/\//i, "")));
  if (foreign || c.req.header("Sec-Fetch-Site") === "cross-site") {
    const error = new ProxyError(
      "host_not_allowed",
      "Models are managed by this machine's own programs and pages only.",
    );
    return errorResponse(error, c.get("exchange"), c.get("dialect"), 403);
  }
  await next();
  return undefined;
});

/**
 * What a page can send to anywhere without asking first is no JSON, or lines of it, by its type. curl's default for -d,
 * the form type, is let through: a browser's form of that type is never JSON, and its scripts send an Origin, which
 * pageGuard judges.
 * @throws ProxyError invalid_request
 */
export const jsonOnly = createMiddleware<ServerEnv>(async (c, next) => {
  const type = (c.req.header("Content-Type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (!/^(application\/(([\w.-]+\+)?json|(x-)?(ndjson|jsonl|jsonlines)|x-www-form-urlencoded)|)$/.test(type))
    throw new ProxyError(
      "invalid_request",
      "The request body must be JSON; send it with Content-Type: application/json.",
      {
        param: "Content-Type",
      },
    );
  await next();
});
