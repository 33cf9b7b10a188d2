/** The command line of `bun run bench`. */
import { parseArgs } from "node:util";
import { BuildError } from "../../build/build-error.ts";

export interface BenchOptions {
  /** "demo", "1.1b", or a folder in OpenVINO's layout. */
  readonly model: string;
  /** Numbers of requests that run together; a row each. */
  readonly streams: readonly number[];
  /** Tokens of every answer. */
  readonly tokens: number;
  /** How often each row is measured, after one run that is thrown away. */
  readonly rounds: number;
  /** Another OpenAI-compatible server, e.g. http://127.0.0.1:8080, measured as the product is. */
  readonly against: string | undefined;
  /** Where the results go as JSON, too. */
  readonly json: string | undefined;
  /** A compiled executable in the place of this checkout's sources. */
  readonly executable: string | undefined;
}

/** @throws BuildError, with the usage, for an option that is none */
export function benchOptions(args: readonly string[]): BenchOptions {
  const { values } = parse(args);
  const model = values.model ?? "demo";
  return {
    model,
    streams: (values.streams ?? "1,8,16,32").split(",").map((text) => whole("--streams", text)),
    tokens: whole("--tokens", values.tokens ?? (model === "demo" ? "256" : "64"), 2),
    rounds: whole("--rounds", values.rounds ?? "5"),
    against: values.against?.replace(/\/+$/, ""),
    json: values.json,
    executable: values.executable,
  };
}

function parse(args: readonly string[]) {
  const text = { type: "string" } as const;
  const options = {
    model: text,
    streams: text,
    tokens: text,
    rounds: text,
    against: text,
    json: text,
    executable: text,
  };
  try {
    return parseArgs({ args: [...args], options });
  } catch (thrown) {
    throw new BuildError(
      `${thrown instanceof Error ? thrown.message : String(thrown)}\nUsage: bun run bench [--model demo|1.1b|FOLDER] ` +
        "[--streams 1,8,16,32] [--tokens N] [--rounds N] [--against URL] [--json FILE] [--executable FILE]",
    );
  }
}

function whole(name: string, text: string, least = 1): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new BuildError(`${name} is "${text}". Expected a whole number of at least ${least}.`);
}
