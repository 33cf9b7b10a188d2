import type { Hono } from "hono";
import { ProxyError } from "../core/errors.ts";
import type { Connection, ServerEnv } from "./exchange.ts";

export interface Listening {
  /** Where a client on this machine reaches it, without a slash at its end. */
  readonly url: string;
  readonly port: number;
  /** Takes no more connections and waits for the running answers; when `deadline` aborts it closes those too. */
  stop(deadline?: AbortSignal): Promise<void>;
}

/** A connection without a request on it, in seconds: also what slow senders of headers get. */
const IDLE_SECONDS = 60;
/** After an answer was ended because its client does not read, in seconds. */
const HANG_UP_SECONDS = 5;

/**
 * Serves the app. Port 0 takes a free one.
 * @throws ProxyError address_in_use, address_unavailable
 */
export async function listen(
  app: Pick<Hono<ServerEnv>, "fetch">,
  address: { host: string; port: number },
): Promise<Listening> {
  const { host, port } = address;
  const shown = host.includes(":") ? `[${host}]` : host;
  const inUse = () =>
    new ProxyError(
      "address_in_use",
      `Something already listens at ${shown}:${port}; stop it, or choose another port with --port.`,
    );
  // Binding alone does not always tell: 0.0.0.0 can be bound beside another server's 127.0.0.1, which then gets the requests.
  if (port !== 0 && isLoopback(reachable(host)) && (await answers(reachable(host), port))) throw inUse();
  let server: Bun.Server<undefined>;
  try {
    server = Bun.serve({
      hostname: host,
      port,
      idleTimeout: IDLE_SECONDS,
      // The app refuses large bodies itself, in its own envelope, before it reads them.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      fetch(request, self) {
        // A model may think longer than any idle timeout.
        self.timeout(request, 0);
        const peer = self.requestIP(request);
        const connection: Connection = {
          peer: peer ? `${peer.address}:${peer.port}` : undefined,
          hangUp: () => self.timeout(request, HANG_UP_SECONDS),
        };
        return app.fetch(request, connection);
      },
      error: () => new Response("internal error", { status: 500 }),
    });
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    if (code === "EADDRINUSE") throw inUse();
    throw new ProxyError(
      "address_unavailable",
      `npu-proxy cannot listen at ${shown}:${port}; choose an address of this machine with --host and a port above 1023 with --port.`,
      { cause: thrown, detail: String(thrown) },
    );
  }
  const bound = server.port ?? port;
  const name = reachable(host);
  return {
    url: `http://${name.includes(":") ? `[${name}]` : name}:${bound}`,
    port: bound,
    async stop(deadline) {
      const closeAll = () => void server.stop(true);
      if (deadline?.aborted) return server.stop(true);
      deadline?.addEventListener("abort", closeAll);
      await server.stop(false);
      deadline?.removeEventListener("abort", closeAll);
    },
  };
}

/** The loopback address of a wildcard one. */
function reachable(host: string): string {
  return host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
}

/** Only these are connected to first: an address elsewhere could let a connection wait for minutes. */
function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

async function answers(hostname: string, port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname, port, socket: { data() {} } });
    socket.terminate();
    return true;
  } catch {
    return false;
  }
}
