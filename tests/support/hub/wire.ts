/**
 * HTTP/1.1 as the test hub needs it: what is declared and what is sent may differ, an answer may break off or fall silent,
 * and the bytes that left are counted. An ordinary server repairs all of that.
 */
import type { Socket } from "bun";

/** A request as it arrived. */
export interface Asked {
  readonly method: string;
  /** Not decoded, with its query. */
  readonly target: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  /** Content-Length as declared; default: that of a body in one piece, or 0. */
  readonly length?: number;
  /** What follows the body: the next request (default), the end of the connection, or silence. */
  readonly end?: "keep" | "cut" | "stall";
  /** Called with the number of body bytes, as they leave. */
  readonly sent?: (bytes: number) => void;
}

export interface Wire {
  readonly port: number;
  stop(): void;
}

interface Connection {
  readonly feed: (bytes: Uint8Array) => void;
  readonly drained: () => void;
  readonly closed: () => void;
}

/** Listens on a free port of 127.0.0.1. One request of a connection at a time, as HTTP/1.1 wants it. */
export function listenHttp(handle: (asked: Asked) => Answer | Promise<Answer>): Wire {
  const server = Bun.listen<Connection>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => {
        socket.data = createConnection(socket, handle);
      },
      data: (socket, bytes) => socket.data.feed(bytes),
      drain: (socket) => socket.data.drained(),
      close: (socket) => socket.data.closed(),
      error: (socket) => socket.data.closed(),
    },
  });
  return { port: server.port, stop: () => server.stop(true) };
}

function createConnection(socket: Socket<Connection>, handle: (asked: Asked) => Answer | Promise<Answer>): Connection {
  let waiting = Buffer.alloc(0);
  let busy = false;
  let open = true;
  let wake = (): void => {};

  /** All of it is with the kernel when this resolves; false where the client has left. */
  const write = async (bytes: Uint8Array, sent?: (bytes: number) => void): Promise<boolean> => {
    let at = 0;
    while (open && at < bytes.length) {
      const drain = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const written = Math.max(0, socket.write(at === 0 ? bytes : bytes.subarray(at)));
      sent?.(written);
      at += written;
      if (at < bytes.length && open) await drain;
    }
    return open;
  };

  const answer = async (asked: Asked): Promise<void> => {
    const { status, headers = {}, body, length, end = "keep", sent } = await handle(asked);
    const declared = length ?? (body instanceof Uint8Array ? body.length : 0);
    const lines = Object.entries({ ...headers, "Content-Length": String(declared) }).map(([k, v]) => `${k}: ${v}\r\n`);
    let alive = await write(Buffer.from(`HTTP/1.1 ${status} Status\r\n${lines.join("")}\r\n`));
    if (asked.method !== "HEAD" && body !== undefined)
      for await (const chunk of body instanceof Uint8Array ? [body] : body) {
        alive = await write(chunk, sent);
        if (!alive) break;
      }
    if (end === "cut") socket.end();
    if (end === "stall") await new Promise(() => {});
  };

  const serve = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    for (let asked = take(); open && asked !== undefined; asked = take())
      await answer(asked).catch((thrown: unknown) => {
        console.error("test hub:", thrown);
        socket.end();
      });
    busy = false;
  };

  /** The next whole request, where there is one. */
  const take = (): Asked | undefined => {
    const head = waiting.indexOf("\r\n\r\n");
    if (head < 0) return undefined;
    const [line = "", ...fields] = waiting.subarray(0, head).toString("latin1").split("\r\n");
    const [method = "", target = ""] = line.split(" ");
    const headers = Object.fromEntries(
      fields.map((field) => [
        field.slice(0, field.indexOf(":")).toLowerCase(),
        field.slice(field.indexOf(":") + 1).trim(),
      ]),
    );
    const end = head + 4 + Number(headers["content-length"] ?? 0);
    if (waiting.length < end) return undefined;
    const body = Uint8Array.from(waiting.subarray(head + 4, end));
    waiting = waiting.subarray(end);
    return { method, target, headers, body };
  };

  return {
    feed: (bytes) => {
      waiting = Buffer.concat([waiting, bytes]);
      void serve();
    },
    drained: () => wake(),
    closed: () => {
      open = false;
      wake();
    },
  };
}
