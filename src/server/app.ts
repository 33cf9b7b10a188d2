import { Hono } from "hono";
import { createMiddleware } from "hono/factory";
import { ProxyError } from "../core/errors.ts";
import { bulkRoutes } from "./bulk/routes.ts";
import type { Dialect } from "./dialect.ts";
import { errorResponse, logError, toldError } from "./errors.ts";
import type { ServerEnv } from "./exchange.ts";
import { explainRoutes } from "./explain.ts";
import { accessLog, catchAnything } from "./middleware/access-log.ts";
import { allowedHosts } from "./middleware/allowed-hosts.ts";
import { embedRoutes } from "./ollama/embed-routes.ts";
import { libraryRoutes } from "./ollama/library-routes.ts";
import { ollamaRoutes } from "./ollama/routes.ts";
import { ollamaDialect } from "./ollama/translate.ts";
import { embeddingRoutes } from "./openai/embedding-routes.ts";
import { openaiRoutes } from "./openai/routes.ts";
import { openaiDialect } from "./openai/translate.ts";
import { type ServerOptions, withDefaults } from "./options.ts";
import { RERANK_PATHS, rerankRoutes } from "./rerank.ts";
import { systemRoutes } from "./system.ts";

/**
 * The HTTP server as a Hono app: every API over one runtime. It needs no socket: `app.fetch(new Request(…))` answers in
 * process. Nothing thrown in it leaves it: each error becomes an answer in the envelope of the API that was asked.
 */
export function createApp(given: ServerOptions): Hono<ServerEnv> {
  const options = withDefaults(given);
  const app = new Hono<ServerEnv>();
  app.onError((thrown, c) => {
    const error = toldError(thrown, c.req.raw.signal);
    logError(error, c.get("exchange"), options.observer);
    return errorResponse(error, c.get("exchange"), c.get("dialect"));
  });
  app.notFound((c) => {
    const error = new ProxyError("route_not_found", "There is nothing at this address.");
    return errorResponse(error, c.get("exchange"), c.get("dialect"));
  });

  app.use(accessLog(options, ollamaDialect), catchAnything);
  app.use("/v1/*", speak(openaiDialect));
  for (const path of RERANK_PATHS) app.use(path, speak(openaiDialect));
  app.use(allowedHosts(options.allowedHosts));

  app.route("/", systemRoutes(options));
  app.route("/", explainRoutes(options));
  app.route("/", ollamaRoutes(options));
  app.route("/", embedRoutes(options));
  app.route("/", bulkRoutes(options));
  app.route("/", libraryRoutes(options));
  app.route("/", openaiRoutes(options));
  app.route("/", embeddingRoutes(options));
  app.route("/", rerankRoutes(options));
  refuseOtherMethods(app);
  return app;
}

function speak(dialect: Dialect) {
  return createMiddleware<ServerEnv>(async (c, next) => {
    c.set("dialect", dialect);
    await next();
  });
}

/** A known path asked with another method gets 405 and the methods that it has. */
function refuseOtherMethods(app: Hono<ServerEnv>): void {
  const methods = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue;
    const known = methods.get(path) ?? new Set();
    methods.set(path, known.add(method));
    if (method === "GET") known.add("HEAD");
  }
  for (const [path, allowed] of methods)
    app.all(path, (c) => {
      const error = new ProxyError("method_not_allowed", `This address takes ${[...allowed].join(" and ")} only.`);
      const response = errorResponse(error, c.get("exchange"), c.get("dialect"));
      response.headers.set("Allow", [...allowed].join(", "));
      return response;
    });
}
