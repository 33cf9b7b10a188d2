/** What is piped into a command. */
import { ProxyError } from "../core/errors.ts";

/** Most bytes that are read from a pipe; a longer prompt fits no model. */
const MAX_STDIN = 16 << 20;

/** All of stdin as UTF-8. @throws ProxyError body_too_large */
export async function readStdin(signal: AbortSignal): Promise<string> {
  const reader = Bun.stdin.stream().getReader();
  const left = Promise.withResolvers<never>();
  const leave = (): void => left.reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", leave, { once: true });
  try {
    const decoder = new TextDecoder();
    let text = "";
    let size = 0;
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), left.promise]);
      if (done) return text + decoder.decode();
      size += value.length;
      if (size > MAX_STDIN) throw new ProxyError("body_too_large", "Standard input is longer than 16 MiB.");
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
