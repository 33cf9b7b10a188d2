/** How a request ended, read from what came back over HTTP in either dialect. */

export type Outcome =
  | { readonly kind: "answer"; readonly text: string }
  /** Said in words, as a status or in the stream. */
  | { readonly kind: "error"; readonly status: number; readonly message: string; readonly code?: string }
  /** Neither: a broken connection, a stream without an end, something that is no JSON. */
  | { readonly kind: "broken"; readonly what: string };

interface Line {
  readonly error?: string | { readonly message?: string; readonly code?: string };
  readonly done?: boolean;
  readonly response?: string;
  readonly message?: { readonly content?: string };
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string };
    readonly message?: { readonly content?: string };
    readonly finish_reason?: string | null;
  }[];
}

/**
 * @param body NDJSON, server-sent events or one JSON value
 * @param choices how many answers were asked for, each of which must end once
 */
export function outcomeOf(status: number, body: string, choices = 1): Outcome {
  const lines: Line[] = [];
  for (const raw of body.split("\n")) {
    const line = raw.replace(/^data: /, "").trim();
    if (line === "" || line === "[DONE]") continue;
    try {
      lines.push(JSON.parse(line) as Line);
    } catch {
      return { kind: "broken", what: `no JSON in an answer of status ${status}: ${line.slice(0, 100)}` };
    }
  }
  const errors = lines.flatMap(({ error }) => (error === undefined ? [] : [error]));
  const [error] = errors;
  if (error !== undefined) {
    const message = typeof error === "string" ? error : (error.message ?? "");
    if (errors.length > 1) return { kind: "broken", what: `${errors.length} errors in one answer` };
    if (message === "" || /\/(tmp|home|root|usr|var)\//.test(message))
      return { kind: "broken", what: `an error without words or with a path: "${message}"` };
    const code = typeof error === "string" ? undefined : error.code;
    return { kind: "error", status, message, ...(code !== undefined && { code }) };
  }
  const text = lines.map(textOf).join("");
  const ends = lines.reduce((sum, line) => sum + endsOf(line), 0);
  if (status !== 200 || ends !== choices) return { kind: "broken", what: `status ${status}, ${ends} ends` };
  return { kind: "answer", text };
}

function endsOf({ done, choices = [] }: Line): number {
  return done ? 1 : choices.filter((choice) => choice.finish_reason).length;
}

function textOf({ response, message, choices }: Line): string {
  const [choice] = choices ?? [];
  return response ?? message?.content ?? choice?.delta?.content ?? choice?.message?.content ?? "";
}
