import type { Context } from "hono";
import { ProxyError } from "../core/errors.ts";
import type { Answer, ModelRequest, Runtime } from "../core/ports.ts";
import { deviceClass, type GenerateEvent, type TokenLogprob } from "../core/request.ts";
import { interleave } from "./choices.ts";
import type { Translator, Whole } from "./dialect.ts";
import { toldError } from "./errors.ts";
import type { Exchange, ServerEnv } from "./exchange.ts";
import type { ServerOptions } from "./options.ts";
import { answerStream } from "./stream-response.ts";

/** What a dialect asks for; the id is the exchange's. */
export type Asked = Omit<ModelRequest, "id"> & {
  readonly stream: boolean;
  /** How many answers; each is a generation of its own. 1 where absent. */
  readonly choices?: number;
};

/**
 * Runs the generations of one HTTP request and answers it in the words of a translator. No header is sent before the
 * engine accepted all of them, so every error until then is a clean status. They end when the client leaves.
 * @throws ProxyError whatever Runtime.generate throws; without `stream` also what a generation throws
 */
export async function answerGeneration(
  c: Context<ServerEnv>,
  options: Required<ServerOptions>,
  asked: Asked,
  translatorOf: (answer: Answer) => Translator,
): Promise<Response> {
  const exchange = c.get("exchange");
  const client = c.req.raw.signal;
  const generation = new AbortController();
  const answers = await accept(options.runtime, requestsOf(asked, exchange.id), client, generation);
  const [answer] = answers;
  const choices = answers.map(({ events }) => events);
  exchange.accepted(answer);
  const translator = translatorOf(answer);
  const headers = {
    "X-NPU-Proxy-Device": deviceClass(answer.device.name),
    "X-NPU-Proxy-Route-Reason": answer.reason,
    "X-NPU-Proxy-Token-Count": String(answer.promptTokens),
  };
  if (!asked.stream) {
    const body = translator.whole(...(await collect(choices, exchange, client)));
    return Response.json(body, { headers: { ...headers, "Content-Type": "application/json; charset=utf-8" } });
  }
  let open = choices.length;
  return answerStream(c, options, {
    source: interleave(choices),
    open: translator.open(),
    text: ({ event, choice }) => {
      exchange.saw(event, choice);
      if (event.type === "done") open--;
      return translator.event(event, choice);
    },
    isLast: () => open === 0,
    error: (error) => translator.error(error),
    work: generation,
    headers: { ...headers, "Content-Type": translator.contentType },
  });
}

/** One request for each choice. From one given seed they would all say the same: each takes the next. */
function requestsOf({ stream: _, choices = 1, ...what }: Asked, id: string): readonly ModelRequest[] {
  if (choices === 1) return [{ ...what, id }];
  const { seed } = what.sampling;
  return Array.from({ length: choices }, (_, choice) => ({
    ...what,
    id: `${id}-${choice}`,
    sampling: seed === undefined ? what.sampling : { ...what.sampling, seed: seed + choice },
  }));
}

/** The answers to all requests, or the first error; then what was accepted already is left. */
async function accept(
  runtime: Runtime,
  requests: readonly ModelRequest[],
  client: AbortSignal,
  generation: AbortController,
): Promise<readonly [Answer, ...Answer[]]> {
  const signal = AbortSignal.any([client, generation.signal]);
  const asked = requests.map((request) => runtime.generate(request, signal));
  try {
    return (await Promise.all(asked)) as [Answer, ...Answer[]];
  } catch (error) {
    generation.abort();
    const leave = ({ events }: Answer) => events[Symbol.asyncIterator]().return?.();
    for (const answer of asked) void answer.then(leave).catch(() => {});
    throw error;
  }
}

/** The whole answer; leaves its events at once when the client does. */
async function collect(
  choices: readonly AsyncIterable<GenerateEvent>[],
  exchange: Exchange,
  client: AbortSignal,
): Promise<[Whole, ...Whole[]]> {
  const left = Promise.withResolvers<never>();
  const leave = () => left.reject(toldError(undefined, client));
  if (client.aborted) leave();
  client.addEventListener("abort", leave);
  try {
    return (await Promise.race([join(choices, exchange), left.promise])) as [Whole, ...Whole[]];
  } finally {
    client.removeEventListener("abort", leave);
  }
}

async function join(choices: readonly AsyncIterable<GenerateEvent>[], exchange: Exchange): Promise<Whole[]> {
  const parts = choices.map(() => ({ text: "", logprobs: [] as TokenLogprob[] }));
  const wholes: Whole[] = [];
  for await (const { choice, event } of interleave(choices)) {
    exchange.saw(event, choice);
    const part = parts[choice];
    if (!part) throw new ProxyError("internal_error", "An event belongs to no choice of its request.");
    if (event.type === "done") wholes[choice] = { ...part, reason: event.reason, usage: event.usage };
    else {
      part.text += event.text;
      part.logprobs.push(...(event.logprobs ?? []));
    }
  }
  return wholes;
}
