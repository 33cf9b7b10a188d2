/** Makes one call with a stopwatch in hand, and judges how it ended. */
import type { Call } from "./call.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

/** One that has not ended so long after its deadline never will. In ms. */
const GIVEN_UP = 60_000;
/** Of an answer in a failure's report, in characters. */
const SHOWN = 300;

/** What chaos explains. Anything else blames the caller, or is a mistake of ours. */
const EXPLAINED: ReadonlySet<string> = new Set([
  "model_not_found",
  "model_invalid",
  "model_not_loaded",
  "load_timeout",
  "device_error",
  "device_lost",
  "insufficient_memory",
  "storage_full",
  "queue_full",
  "queue_timeout",
  "runner_crashed",
  "inference_failed",
  "inference_timeout",
  "token_timeout",
]);

/** The longest that was waited, against what was allowed, in ms. */
export interface Wait {
  readonly waited: number;
  readonly allowed: number;
}

export interface CallEnd {
  /** "refused": with the error that it had to be refused with. */
  readonly kind: "answer" | "left" | "refused" | "error" | "failure";
  /** Of an error: its status and code, or that it came within the stream. */
  readonly error?: string;
  /** Of a failure. */
  readonly what?: string;
  readonly wait: Wait;
  readonly ms: number;
}

interface Received {
  readonly status: number;
  readonly code: string | undefined;
  readonly body: string;
}

/** Never rejects. */
export async function makeCall(url: string, call: Call): Promise<CallEnd> {
  const watch = new Stopwatch(call);
  const leaving = new AbortController();
  const given = AbortSignal.timeout(call.patience.first + GIVEN_UP);
  try {
    const received = await receive(url, call, watch, leaving, AbortSignal.any([leaving.signal, given]));
    const { wait, ms } = watch;
    return received === "left" ? { kind: "left", wait, ms } : { ...judged(call, received), wait, ms };
  } catch (error) {
    const { wait, ms } = watch;
    if (leaving.signal.aborted) return { kind: "left", wait, ms };
    return { kind: "failure", what: `${call.sort}: ${given.aborted ? "no end" : error}`, wait, ms };
  }
}

async function receive(
  url: string,
  call: Call,
  watch: Stopwatch,
  leaving: AbortController,
  signal: AbortSignal,
): Promise<Received | "left"> {
  const { path, headers, body, leaves } = call;
  const sent = fetch(url + path, {
    method: body === undefined ? "GET" : "POST",
    headers,
    signal,
    ...(body !== undefined && { body }),
  });
  if (leaves === "at once") setTimeout(() => leaving.abort(), 3);
  const response = await sent;
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    watch.received();
    text += decoder.decode(chunk, { stream: true });
    if (leaves === "midway" && response.ok) {
      leaving.abort();
      return "left";
    }
  }
  watch.received();
  return { status: response.status, code: response.headers.get("x-npu-proxy-error") ?? undefined, body: text };
}

function judged(call: Call, received: Received): Pick<CallEnd, "kind" | "error" | "what"> {
  const { status, body } = received;
  const failure = (what: string) =>
    ({
      kind: "failure",
      what: `${call.sort} ${JSON.stringify(call.headers)}: ${what}: ${status} ${body.slice(0, SHOWN)}`,
    }) as const;
  const outcome = call.choices === 0 ? lookedAt(status, body) : outcomeOf(status, body, call.choices);
  if (outcome.kind === "broken") return failure(outcome.what);
  if (outcome.kind === "answer") {
    if (call.refused) return failure("an answer to what cannot be answered");
    const wrong = call.expected !== undefined && outcome.text !== call.expected;
    return wrong ? failure(`"${outcome.text}" instead of "${call.expected}"`) : { kind: "answer" };
  }
  const code = received.code ?? outcome.code;
  if (call.refused && status === call.refused.status && code === call.refused.code) return { kind: "refused" };
  if (status !== 200 && code === undefined) return failure("an error without its code");
  if (code !== undefined && !EXPLAINED.has(code)) return failure("an error that nothing explains");
  return { kind: "error", error: status === 200 ? `in the stream ${code ?? ""}`.trim() : `${status} ${code}` };
}

/** Of the routes that answer with any JSON. */
function lookedAt(status: number, body: string): Outcome {
  return status === 200 && JSON.parse(body) !== null ? { kind: "answer", text: body } : outcomeOf(status, body);
}

class Stopwatch {
  readonly #call: Call;
  readonly #started = performance.now();
  #last = this.#started;
  #first = true;
  /** The wait that came closest to its deadline, or went furthest beyond. */
  wait: Wait = { waited: 0, allowed: Number.POSITIVE_INFINITY };

  constructor(call: Call) {
    this.#call = call;
  }

  get ms(): number {
    return performance.now() - this.#started;
  }

  received(): void {
    const { first, next } = this.#call.patience;
    const now = performance.now();
    const wait =
      this.#first || next === undefined
        ? { waited: now - this.#started, allowed: first }
        : { waited: now - this.#last, allowed: next };
    if (overrun(wait) > overrun(this.wait)) this.wait = wait;
    this.#last = now;
    this.#first = false;
  }
}

/** By how much a wait was too long, in ms; less than 0 where it was not. */
export function overrun({ waited, allowed }: Wait): number {
  return waited - allowed;
}
