/** The calls of the chaos run: of every sort, for every model, with every wish. */
import type { Draw } from "./draw.ts";
import { MOST_TOKENS, type Question } from "./questions.ts";

/** In seconds, as the daemon is told. */
export const DEADLINES = { queue: 20, inference: 20, token: 10, load: 20 } as const;
/** What the daemon is told that prompts on the NPU may have, in tokens: `long` prompts are on both sides of it. */
export const NPU_LIMITS = { routed: 256, compiled: 512 } as const;

const WORD_PAIRS = { least: 10, most: 180 } as const;
/** Over the demo's context of 4,096 tokens. */
const TOO_MANY_WORD_PAIRS = 4000;
/** What asks nothing of an engine is answered within this, in ms. */
const AT_ONCE = 2000;
/** For a probe of the devices; those who only look may have to wait for it. */
const PROBED = 30_000;

/** The longest that its client waits, in ms. */
export interface Patience {
  /** For the first byte; of what is no stream: for all. */
  readonly first: number;
  /** Of a stream: from one chunk to the next; absent: `first` is for the whole answer. */
  readonly next?: number;
}

export interface Call {
  readonly sort: string;
  readonly path: string;
  /** Absent: GET. */
  readonly body?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly patience: Patience;
  /** How many ends its answer has; 0: it is any JSON. */
  readonly choices: number;
  /** The client leaves: before an answer, or after its first bytes. */
  readonly leaves?: "at once" | "midway";
  /** What its answer must say. */
  readonly expected?: string;
  /** The error that it must be refused with, whatever else happens. */
  readonly refused?: { readonly status: number; readonly code: string };
}

export interface Setting {
  readonly models: readonly string[];
  /** The model that most calls are for just now. */
  readonly favourite: string;
  readonly questions: readonly Question[];
}

type Maker = (draw: Draw, setting: Setting) => Call;

/** A call; its sort by weight. */
export function drawCall(draw: Draw, setting: Setting): Call {
  return draw.pick(DECK)(draw, setting);
}

/** How many of a thousand calls are of each sort. */
const MIX: readonly (readonly [number, Maker])[] = [
  [340, (draw, setting) => question(draw, setting)],
  [
    120,
    (draw, setting) =>
      chat(draw, setting, "long", { content: words(draw.whole(WORD_PAIRS.least, WORD_PAIRS.most)), most: 8 }),
  ],
  [100, (draw, setting) => chat(draw, setting, "hot", hot(draw))],
  [70, (draw, setting) => ({ ...chat(draw, setting, "leaves at once", hot(draw)), leaves: "at once" })],
  [
    70,
    (draw, setting) => ({ ...chat(draw, setting, "leaves midway", { ...hot(draw), stream: true }), leaves: "midway" }),
  ],
  [40, (draw, setting) => chat(draw, setting, "logprobs", { ...hot(draw), extra: { logprobs: true }, anywhere: true })],
  [
    40,
    (draw, setting) => ({
      ...chat(draw, setting, "n=2", { ...hot(draw), dialect: "openai", extra: { n: 2 }, anywhere: true }),
      choices: 2,
    }),
  ],
  [
    40,
    (draw, setting) =>
      chat(draw, setting, "format json", { ...hot(draw), dialect: "ollama", extra: { format: "json" } }),
  ],
  [30, (draw, setting) => load(draw, setting)],
  [30, (draw, setting) => load(draw, setting, 0)],
  [80, (draw, setting) => look(draw, setting)],
  [
    1,
    () => ({
      sort: "look, devices anew",
      path: "/health/devices?refresh=1",
      headers: {},
      choices: 0,
      patience: { first: PROBED },
    }),
  ],
  [20, (draw, { models: [model = ""] }) => tooLong(draw, model)],
  [
    20,
    (draw) => ({
      ...chat(draw, { models: ["nobody"], favourite: "nobody" }, "unknown model", hot(draw)),
      refused: { status: 404, code: "model_not_found" },
    }),
  ],
  [
    20,
    (draw) => ({
      ...post("broken JSON", draw.pick(Object.values(PATHS)), '{"model": "demo", ', {}),
      refused: { status: 400, code: "invalid_json" },
    }),
  ],
];

const DECK = MIX.flatMap(([share, make]) => Array.from({ length: share }, () => make));

const PATHS = { ollama: "/api/chat", openai: "/v1/chat/completions" } as const;

interface Said {
  readonly content?: string;
  readonly messages?: Question["messages"];
  readonly most: number;
  readonly temperature?: number;
  readonly stream?: boolean;
  readonly dialect?: keyof typeof PATHS;
  readonly extra?: object;
  /** It needs what the NPU cannot: it wishes for no device. */
  readonly anywhere?: boolean;
}

function chat(draw: Draw, { models, favourite }: Omit<Setting, "questions">, sort: string, said: Said): Call {
  const dialect = said.dialect ?? draw.pick(["ollama", "openai"] as const);
  const stream = said.stream ?? draw.chance(0.6);
  const messages = said.messages ?? [{ role: "user", content: said.content ?? "" }];
  const { temperature = 0, most, anywhere } = said;
  const wish = anywhere || draw.chance(0.7) ? undefined : draw.pick(["CPU", "NPU"]);
  const suffix = wish !== undefined && draw.chance(0.3);
  const model = draw.chance(0.7) ? favourite : draw.pick(models);
  const timeout = draw.chance(0.15) ? draw.pick([0.5, 2, 10]) : undefined;
  const headers = {
    ...(wish !== undefined && !suffix && { "X-NPU-Proxy-Device": wish }),
    ...(timeout !== undefined && { "X-NPU-Proxy-Timeout": String(timeout) }),
    ...(draw.chance(0.2) && { "X-NPU-Proxy-Priority": "batch" }),
    ...(draw.chance(0.3) && { Authorization: `Bearer client-${draw.whole(1, 5)}` }),
  };
  const body = {
    model: suffix ? `${model}@${wish?.toLowerCase()}` : model,
    messages,
    stream,
    ...(draw.chance(0.2) && { keep_alive: draw.pick(["1s", "20s", 0]) }),
    ...(dialect === "ollama"
      ? { options: { temperature, num_predict: most } }
      : { temperature, max_completion_tokens: most }),
    ...said.extra,
  };
  const usual = {
    first: (DEADLINES.queue + DEADLINES.inference) * 1000,
    ...(stream && { next: DEADLINES.token * 1000 }),
  };
  const patience = timeout === undefined ? usual : { first: timeout * 1000 };
  return post(`${sort}${stream ? ", streamed" : ""}`, PATHS[dialect], JSON.stringify(body), headers, patience);
}

function question(draw: Draw, setting: Setting): Call {
  const { messages, answer } = draw.pick(setting.questions);
  return { ...chat(draw, setting, "question", { messages, most: MOST_TOKENS }), expected: answer };
}

function hot(draw: Draw): Said {
  const content = `Tell me about ${draw.whole(0, 1000)} animals.`;
  return { content, most: draw.whole(20, 200), temperature: 1.5 };
}

/** With a keep-alive of 0 it asks for the opposite. */
function load(draw: Draw, { models }: Setting, keepAlive?: 0): Call {
  const body = { model: draw.pick(models), keep_alive: keepAlive ?? draw.pick(["1s", "5s"]) };
  const patience = { first: keepAlive === 0 ? AT_ONCE : DEADLINES.queue * 1000 };
  return post(keepAlive === 0 ? "unload" : "load", "/api/generate", JSON.stringify(body), {}, patience);
}

function look(draw: Draw, { models }: Setting): Call {
  const seen = { headers: {}, choices: 0 };
  const path = draw.pick(["/api/ps", "/api/tags", "/health", "/health/live", "/api/route"]);
  if (path === "/api/route") {
    const body = JSON.stringify({ model: draw.pick(models), prompt: words(draw.whole(1, 100)) });
    return { ...post("look, /api/route", path, body, {}), ...seen };
  }
  return { sort: `look, ${path}`, path, ...seen, patience: { first: path.startsWith("/health") ? PROBED : AT_ONCE } };
}

/** OpenAI's API does not cut it. */
function tooLong(draw: Draw, model: string): Call {
  const body = { model, messages: [{ role: "user", content: words(TOO_MANY_WORD_PAIRS) }], stream: draw.chance(0.5) };
  const refused = { status: 400, code: "context_length_exceeded" };
  return { ...post("too long", PATHS.openai, JSON.stringify(body), {}), refused };
}

function post(
  sort: string,
  path: string,
  body: string,
  headers: Call["headers"],
  patience: Patience = { first: DEADLINES.queue * 1000 },
): Call {
  return { sort, path, body, headers: { "Content-Type": "application/json", ...headers }, patience, choices: 1 };
}

function words(pairs: number): string {
  return "two words ".repeat(pairs);
}
