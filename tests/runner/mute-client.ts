/** A client that asks and does not read. */
import { dlopen, ptr } from "bun:ffi";

const AF_INET = 2;
const SOCK_STREAM = 1;
const IPPROTO_TCP = 6;
const TCP_MAXSEG = 2;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const MSG_DONTWAIT = 0x40;

/**
 * Bun's own sockets read ahead, and the kernel takes megabytes for whoever does not read on the loopback interface. So
 * this is a socket of the C library with small segments and a small buffer: after some 100 KB nothing more goes through.
 */
export class MuteClient implements Disposable {
  readonly #libc = dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
    connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
    send: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
    recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
    close: { args: ["i32"], returns: "i32" },
  });
  readonly #socket: number;

  /** @param id its X-Request-ID */
  constructor(url: string, path: string, body: unknown, id = "mute") {
    const { socket, setsockopt, connect, send } = this.#libc.symbols;
    const { hostname, port } = new URL(url);
    this.#socket = socket(AF_INET, SOCK_STREAM, 0);
    for (const [level, option, value] of [
      [IPPROTO_TCP, TCP_MAXSEG, 536],
      [SOL_SOCKET, SO_RCVBUF, 4096],
    ] as const)
      setsockopt(this.#socket, level, option, ptr(new Int32Array([value])), 4);
    const address = new Uint8Array(16);
    address.set([AF_INET, 0, Number(port) >> 8, Number(port) & 255, ...hostname.split(".").map(Number)]);
    if (connect(this.#socket, ptr(address), 16) !== 0) throw new Error(`Nothing listens at ${url}.`);
    const text = JSON.stringify(body);
    const head = `POST ${path} HTTP/1.1\r\nHost: ${hostname}\r\nX-Request-ID: ${id}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n`;
    const bytes = Buffer.from(head + text);
    if (Number(send(this.#socket, ptr(bytes), bytes.length, 0)) !== bytes.length)
      throw new Error("The request was cut.");
  }

  /** Reads at last, until the server closes. */
  async readAll(): Promise<string> {
    const buffer = Buffer.alloc(1 << 16);
    const parts: Buffer[] = [];
    for (;;) {
      const length = Number(this.#libc.symbols.recv(this.#socket, ptr(buffer), buffer.length, MSG_DONTWAIT));
      if (length === 0) return Buffer.concat(parts).toString();
      if (length < 0) await Bun.sleep(5);
      else parts.push(Buffer.from(buffer.subarray(0, length)));
    }
  }

  [Symbol.dispose](): void {
    this.#libc.symbols.close(this.#socket);
    this.#libc.close();
  }
}
