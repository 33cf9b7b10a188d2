/** One question to a runner that is starting, and its answer. */
import { asProxyError, type ProxyError } from "../core/errors.ts";
import type { FromRunner, ToRunner } from "../core/runner-protocol.ts";
import type { RunnerConnection } from "./connection.ts";

type Answer<Kind extends FromRunner["ev"]> = Extract<FromRunner, { ev: Kind }>;

/** Sends a message to a runner that is starting, or none, and waits for one kind of answer, its death, the deadline or the signal. */
export async function ask<Kind extends FromRunner["ev"]>(
  connection: RunnerConnection,
  message: ToRunner | undefined,
  kind: Kind,
  timeoutMs: number,
  late: ProxyError,
  signal: AbortSignal,
): Promise<Answer<Kind>> {
  signal.throwIfAborted();
  const answered = Promise.withResolvers<Answer<Kind>>();
  const abort = (): void => answered.reject(asProxyError(signal.reason));
  signal.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(() => answered.reject(late), timeoutMs);
  connection.listen((received) => {
    if (received.ev === "started" && message) connection.send(message);
    if (received.ev === kind) answered.resolve(received as Answer<Kind>);
  });
  void connection.exited.then((reason) => answered.reject(reason));
  try {
    return await answered.promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}
