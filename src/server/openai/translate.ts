import { type ErrorCode, ProxyError } from "../../core/errors.ts";
import type { GenerateEvent, Message, Sampling, Usage } from "../../core/request.ts";
import type { Dialect, Translator, Whole } from "../dialect.ts";
import { statusOf } from "../errors.ts";
import { sampling } from "../sampling.ts";
import { unsupported } from "../unsupported.ts";
import type { ChatRequest } from "./schema.ts";

/** OpenAI's errors: `{"error": {message, type, param, code}}`. */
export const openaiDialect: Dialect = {
  errorBody(error) {
    const type = statusOf(error.code) < 500 ? "invalid_request_error" : "server_error";
    return {
      error: { message: error.message, type, param: error.param ?? PARAM[error.code] ?? null, code: error.code },
    };
  },
};

/** The field that an error is about where its thrower, who knows no API, did not name one. */
const PARAM: Partial<Record<ErrorCode, string>> = { model_not_found: "model", context_length_exceeded: "messages" };

/**
 * OpenAI's messages in our vocabulary: parts are joined, a developer speaks as the system.
 * @throws ProxyError unsupported_field for a part that is no text, invalid_request for a message without content
 */
export function messagesOf(request: ChatRequest): readonly Message[] {
  return request.messages.map(({ role, content }, i) => {
    if (content == null && role !== "assistant")
      throw new ProxyError("invalid_request", `messages[${i}].content is required`, {
        param: `messages[${i}].content`,
      });
    const parts = typeof content === "string" ? [content] : (content ?? []).map((part, j) => textOf(part, i, j));
    return { role: role === "developer" ? "system" : role, content: parts.join("") };
  });
}

function textOf(part: { type: string; text?: string | undefined }, message: number, at: number): string {
  const path = `messages[${message}].content[${at}]`;
  if (part.type !== "text") throw unsupported(path);
  if (part.text === undefined)
    throw new ProxyError("invalid_request", `${path}.text is required`, { param: `${path}.text` });
  return part.text;
}

export function samplingOf(request: ChatRequest): Sampling {
  return sampling({
    maxTokens: request.max_completion_tokens ?? request.max_tokens,
    minTokens: request.min_tokens,
    ignoreEos: request.ignore_eos,
    temperature: request.temperature,
    topP: request.top_p,
    topK: request.top_k,
    seed: request.seed,
    presencePenalty: request.presence_penalty,
    frequencyPenalty: request.frequency_penalty,
    stop: request.stop,
  });
}

export interface ChatCompletion {
  /** The same in every chunk, as `created` is. */
  readonly id: string;
  /** In seconds since 1970. */
  readonly created: number;
  /** As the client named it. */
  readonly model: string;
  readonly includeUsage: boolean;
}

/** A chat.completion, or its chunks as server-sent events: role, text, finish, usage where asked for, [DONE]. */
export function openaiTranslator(completion: ChatCompletion): Translator {
  const { id, created, model, includeUsage } = completion;
  const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
  const chunk = (choices: readonly unknown[], usage: unknown = null) =>
    data({ id, object: "chat.completion.chunk", created, model, choices, ...(includeUsage && { usage }) });
  const choice = (delta: unknown, finish: string | null = null) => [
    { index: 0, delta, logprobs: null, finish_reason: finish },
  ];
  return {
    contentType: "text/event-stream; charset=utf-8",
    open: () => chunk(choice({ role: "assistant", content: "" })),
    event(event: GenerateEvent) {
      if (event.type === "delta") return event.text === "" ? "" : chunk(choice({ content: event.text }));
      const usage = includeUsage ? chunk([], usageOf(event.usage)) : "";
      return `${chunk(choice({}, event.reason))}${usage}data: [DONE]\n\n`;
    },
    error: (error) => data(openaiDialect.errorBody(error, model)),
    whole: ({ text, reason, usage }: Whole) => ({
      id,
      object: "chat.completion",
      created,
      model,
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: text, refusal: null },
          logprobs: null,
          finish_reason: reason,
        },
      ],
      usage: usageOf(usage),
    }),
  };
}

function usageOf({ promptTokens, completionTokens }: Usage) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}
