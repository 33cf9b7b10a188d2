/** What can go wrong on the way of a file's bytes, on demand. */
import type { Answer } from "./wire.ts";

export type Fault =
  /** The connection ends after so many bytes of this answer; its header promised all of them. With `at: "hub"` also
   *  metadata breaks off. */
  | { readonly cutAt: number }
  /** Half of the bytes, then nothing, the connection stays open. */
  | { readonly stall: true }
  /** One byte in the middle is another. */
  | { readonly wrongBytes: true }
  /** Half of the bytes, and a header that promises just those. */
  | { readonly wrongLength: true }
  /** A range is answered with 200 and the whole file. */
  | { readonly noRange: true }
  /** Another ETag every time, so that If-Range never holds; at the hub: another X-Linked-ETag. */
  | { readonly changedEtag: true }
  | { readonly redirectLoop: true }
  | { readonly redirectTo: string }
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | { readonly slow: number };

/** Which requests a fault meets: the path contains `path` (default: every one), `times` of them (default: all). */
export interface FaultMatch {
  readonly path?: string;
  readonly times?: number;
  /** "hub": what is asked of the hub itself; "cdn": of the origin that LFS files are redirected to.
   *  Default: `status` and redirects at the hub, the others wherever a file's bytes are sent. */
  readonly at?: Origin;
}

export type Origin = "hub" | "cdn";

export interface Faults {
  add(match: FaultMatch, fault: Fault): void;
  /** The fault for a request, which counts as met. `bytes`: the answer is a file's content. */
  take(request: { readonly origin: Origin; readonly path: string; readonly bytes: boolean }): Fault | undefined;
}

export function createFaults(): Faults {
  const armed: { match: FaultMatch; fault: Fault; left: number }[] = [];
  return {
    add: (match, fault) => void armed.push({ match, fault, left: match.times ?? Number.POSITIVE_INFINITY }),
    take: ({ origin, path, bytes }) => {
      const met = armed.find(({ match, fault, left }) => {
        const early = "status" in fault || "redirectLoop" in fault || "redirectTo" in fault;
        const place = match.at === undefined ? (early ? origin === "hub" : bytes) : match.at === origin;
        return left > 0 && place && decodeURIComponent(path).includes(match.path ?? "");
      });
      if (met !== undefined) met.left -= 1;
      return met?.fault;
    },
  };
}

/** The answer that a fault makes in the place of any other. */
export function earlyAnswer(fault: Fault | undefined, target: string): Answer | undefined {
  if (fault === undefined) return undefined;
  if ("redirectLoop" in fault) return { status: 302, headers: { Location: target } };
  if ("redirectTo" in fault) return { status: 302, headers: { Location: fault.redirectTo } };
  if (!("status" in fault)) return undefined;
  const { status, headers = {}, body = "the hub's own words" } = fault;
  return { status, headers, body: Buffer.from(body) };
}

/** Metadata that breaks off. */
export function cutAnswer(answer: Answer, bytes: number): Answer {
  if (!(answer.body instanceof Uint8Array)) return answer;
  return { ...answer, length: answer.body.length, body: answer.body.subarray(0, bytes), end: "cut" };
}
