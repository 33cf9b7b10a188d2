/** Many HTTP requests at once over sockets of their own: fetch keeps most of them waiting on this side. */

export interface CrowdAnswer {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}

/** Sends a request and reads its answer; a connection that ends before that gives the status 0. */
export async function askRaw(url: URL, path: string, body: string, headers = ""): Promise<CrowdAnswer> {
  const answered = Promise.withResolvers<CrowdAnswer>();
  const request =
    `POST ${path} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;
  // Bytes as they come, one character each: lengths and chunk sizes count bytes.
  let text = "";
  let sent = 0;
  const bytes = Buffer.from(request);
  const socket = await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      open: (opened) => {
        sent = opened.write(bytes);
      },
      drain: (opened) => {
        if (sent < bytes.length) sent += opened.write(bytes.subarray(sent));
      },
      data: (_, chunk) => {
        text += chunk.toString("latin1");
        if (isWhole(text)) answered.resolve(parsed(text));
      },
      close: () => answered.resolve(parsed(text)),
      error: (_, error) => answered.reject(error),
    },
  });
  try {
    return await answered.promise;
  } finally {
    socket.terminate();
  }
}

/** By its length, or by the last of its chunks. */
function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /^content-length: (\d+)/im.exec(text.slice(0, end))?.[1];
  return length === undefined ? text.endsWith("\r\n0\r\n\r\n") : text.length - end - 4 >= Number(length);
}

function parsed(text: string): CrowdAnswer {
  const end = text.indexOf("\r\n\r\n");
  const headers = text.slice(0, end);
  const body = /transfer-encoding: chunked/i.test(headers) ? dechunked(text.slice(end + 4)) : text.slice(end + 4);
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(headers)?.[1] ?? 0),
    headers,
    body: Buffer.from(body, "latin1").toString("utf8"),
  };
}

function dechunked(text: string): string {
  let rest = text;
  let body = "";
  for (;;) {
    const line = rest.indexOf("\r\n");
    const size = Number.parseInt(rest.slice(0, line), 16);
    if (line < 0 || !(size > 0)) return body;
    body += rest.slice(line + 2, line + 2 + size);
    rest = rest.slice(line + 4 + size);
  }
}
