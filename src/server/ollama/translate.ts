import type { ProxyError } from "../../core/errors.ts";
import type { Clock } from "../../core/ports.ts";
import type { GenerateEvent, Message, TokenLogprob } from "../../core/request.ts";
import type { Dialect, Translator, Whole } from "../dialect.ts";
import { logprobOf } from "../logprob.ts";

/**
 * Ollama's errors: `{"error": text}`, in the words that its clients look for; gin's plain text for unknown addresses.
 * Ours besides: `available_devices`, where that is what is wrong.
 */
export const ollamaDialect: Dialect = {
  errorBody(error, model) {
    if (error.code === "route_not_found") return "404 page not found";
    if (error.code === "method_not_allowed") return "405 method not allowed";
    return errorLine(error, model);
  },
};

/** An error as an object. */
export function errorLine(error: ProxyError, model: string | undefined) {
  const { availableDevices } = error;
  return { error: errorText(error, model), ...(availableDevices && { available_devices: availableDevices }) };
}

/** An error's sentence; clients look for "not found" in that of a missing model. */
export function errorText(error: ProxyError, model: string | undefined): string {
  if (error.code === "model_not_found" && model !== undefined && !error.message.includes("not found"))
    return `model '${model}' not found: ${error.message}`;
  if (error.code === "queue_full") return "server busy, please try again.  maximum pending requests exceeded";
  return error.message;
}

/** Where an answer's text stands: /api/chat has a message, /api/generate a response. */
export type TextField = (text: string) => Readonly<Record<string, unknown>>;
export const chatText: TextField = (content) => ({ message: { role: "assistant", content } });
export const generateText: TextField = (response) => ({ response });

export interface OllamaAnswer {
  /** As the client named it. */
  readonly model: string;
  readonly text: TextField;
  readonly clock: Clock;
  /** What loading the model cost, in ns; asked when it is told: the answer may still move to another device. */
  loadNs(): number;
  /** Since the request arrived, in ns. */
  elapsedNs(): number;
}

/** NDJSON: a line per event, the last one with `done: true` and the truth about time and tokens in nanoseconds. */
export function ollamaTranslator(answer: OllamaAnswer): Translator {
  const line = (value: unknown) => `${JSON.stringify(value)}\n`;
  const part = (text: string, done: boolean, logprobs: readonly TokenLogprob[] = []) => ({
    model: answer.model,
    created_at: answer.clock.date().toISOString(),
    ...answer.text(text),
    done,
    ...(logprobs.length > 0 && { logprobs: logprobs.map(logprobOf) }),
  });
  const last = ({ text, logprobs, reason, usage }: Whole) => ({
    ...part(text, true, logprobs),
    done_reason: reason,
    total_duration: answer.elapsedNs(),
    load_duration: Math.round(answer.loadNs()),
    prompt_eval_count: usage.promptTokens,
    prompt_eval_duration: Math.round(usage.promptNs),
    eval_count: usage.completionTokens,
    eval_duration: Math.round(usage.decodeNs),
  });
  return {
    contentType: "application/x-ndjson",
    open: () => "",
    event(event: GenerateEvent) {
      if (event.type === "done") return line(last({ ...event, text: "", logprobs: [] }));
      // A token whose text is held back still has its log probability.
      return event.text === "" && !event.logprobs?.length ? "" : line(part(event.text, false, event.logprobs));
    },
    error: (error) => line(errorLine(error, answer.model)),
    whole: (whole: Whole) => last(whole),
  };
}

/** The answer to an empty prompt: the model is loaded. */
export function loadedBody(answer: OllamaAnswer) {
  return {
    ...withoutText(answer, "load"),
    total_duration: answer.elapsedNs(),
    load_duration: Math.round(answer.loadNs()),
  };
}

/** The answer to an empty prompt that is to be kept for no time: the model is unloaded, or will be once it has no work. */
export function withoutText({ model, clock, text }: Omit<OllamaAnswer, "loadNs" | "elapsedNs">, reason: string) {
  return { model, created_at: clock.date().toISOString(), ...text(""), done: true, done_reason: reason };
}

/** /api/generate's system and prompt as a conversation. */
export function promptMessages(system: string, prompt: string): readonly Message[] {
  const user: Message = { role: "user", content: prompt };
  return system === "" ? [user] : [{ role: "system", content: system }, user];
}
