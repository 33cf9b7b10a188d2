/**
 * A client that costs next to nothing, since it shares the processors with what it measures: one socket per request, no
 * parsing while text comes. It notes when the first text arrived and when the last bytes did, and reads the counts from
 * the stream's own usage at the end.
 */
import { BuildError } from "../../build/build-error.ts";
import type { StreamTimes } from "./measurement.ts";

/** Bytes of a stream's end that surely hold its usage. */
const TAIL = 4096;

/** Sends all prompts at once to /v1/chat/completions below `url`. @throws BuildError where an answer is none */
export async function runStreams(
  url: string,
  model: string,
  prompts: readonly string[],
  tokens: number,
): Promise<readonly StreamTimes[]> {
  const begin = Bun.nanoseconds();
  return await Promise.all(
    prompts.map((prompt) => runStream(new URL(url), request(url, model, prompt, tokens), begin)),
  );
}

function request(url: string, model: string, prompt: string, tokens: number): string {
  const body = JSON.stringify({
    model,
    messages: [{ role: "user", content: prompt }],
    stream: true,
    stream_options: { include_usage: true },
    temperature: 0,
    max_tokens: tokens,
    min_tokens: tokens,
    ignore_eos: true,
  });
  const { host, pathname } = new URL(url);
  return (
    `POST ${pathname.replace(/\/$/, "")}/v1/chat/completions HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

async function runStream(url: URL, text: string, begin: number): Promise<StreamTimes> {
  const ended = Promise.withResolvers<void>();
  let head = "";
  let tail: Buffer = Buffer.alloc(0);
  let firstNs = 0;
  let lastNs = 0;
  await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port || 80),
    socket: {
      open: (socket) => void socket.write(text),
      data(_socket, bytes) {
        lastNs = Bun.nanoseconds() - begin;
        if (firstNs === 0) {
          head += bytes.toString();
          // The first chunk has the role and no text.
          if (/"content":\s?"[^"]/.test(head)) firstNs = lastNs;
        }
        tail = bytes.length >= TAIL ? bytes : Buffer.concat([tail, bytes]).subarray(-TAIL);
      },
      close: () => ended.resolve(),
      error: (_socket, error) => ended.reject(error),
    },
  });
  await ended.promise;
  const end = tail.toString();
  const counted = (name: string) => Number(new RegExp(`"${name}":\\s?(\\d+)`).exec(end)?.[1]);
  const times = { promptTokens: counted("prompt_tokens"), tokens: counted("completion_tokens"), firstNs, lastNs };
  if (firstNs === 0 || !end.includes("[DONE]") || Number.isNaN(times.tokens))
    throw new BuildError(`The server at ${url.origin} did not answer as asked. The end of its answer:\n${end}`);
  return times;
}
