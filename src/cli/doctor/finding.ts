/** What doctor found about one thing, and what to do about it. */
import { asProxyError } from "../../core/errors.ts";

/** skipped: it does not apply to this machine, or could not be told. */
export type Status = "ok" | "warning" | "problem" | "skipped";

export interface Finding {
  /** Stable: "device.access", "inference.NPU". */
  readonly id: string;
  readonly status: Status;
  /** A sentence. */
  readonly found: string;
  /** What to do; one command where one is enough. */
  readonly advice?: string;
  /** Numbers behind it, by names that carry their unit: { load_ms: 812 }. */
  readonly measured?: Readonly<Record<string, number>>;
}

/** A finding of one check. */
export function finding(id: string, status: Status, found: string, advice?: string): Finding {
  return { id, status, found, ...(advice !== undefined && { advice }) };
}

/** The same for every id: these checks have nothing to look at. */
export function skipped(ids: readonly string[], why: string): readonly Finding[] {
  return ids.map((id) => finding(id, "skipped", why));
}

export interface Check {
  /** What it tells when it fails altogether. */
  readonly id: string;
  readonly timeoutMs: number;
  run(signal: AbortSignal): Promise<readonly Finding[]> | readonly Finding[];
}

/**
 * Runs a check within its time. One that throws, or does not end, is a finding itself.
 * @throws what the signal aborts with, and nothing else
 */
export async function examine(check: Check, signal: AbortSignal): Promise<readonly Finding[]> {
  signal.throwIfAborted();
  const deadline = AbortSignal.timeout(check.timeoutMs);
  const both = AbortSignal.any([signal, deadline]);
  const ended = Promise.withResolvers<never>();
  const end = (): void => ended.reject(both.reason);
  both.addEventListener("abort", end, { once: true });
  try {
    return await Promise.race([Promise.resolve(check.run(both)), ended.promise]);
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.aborted)
      return [finding(check.id, "problem", `This check did not end within ${check.timeoutMs / 1000} s.`)];
    const { message, code } = asProxyError(error);
    return [finding(check.id, "problem", `${message} (${code})`)];
  } finally {
    both.removeEventListener("abort", end);
  }
}

/** 0: everything works; 1: something needs attention; 2: nothing can run inference here. */
export function exitCodeOf(findings: readonly Finding[]): 0 | 1 | 2 {
  const works = findings.some(({ id, status }) => id.startsWith("inference.") && status === "ok");
  if (!works) return 2;
  return findings.some(({ status }) => status === "warning" || status === "problem") ? 1 : 0;
}
