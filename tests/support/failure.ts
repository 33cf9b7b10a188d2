/** The ProxyError that a promise has to end with. */
import { ProxyError } from "../../src/core/errors.ts";

/** @throws Error where the promise ends otherwise */
export async function failure(promise: Promise<unknown>): Promise<ProxyError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof ProxyError) return thrown;
  throw new Error(`expected a ProxyError, got ${String(thrown)}`);
}
