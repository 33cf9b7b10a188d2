/** Every error and how each edge tells it: the README's table. */

import { statusOf } from "../server/errors.ts";
import { ollamaDialect } from "../server/ollama/translate.ts";
import { openaiDialect, openaiType } from "../server/openai/translate.ts";
import { errorCodes, exitCodeOf } from "./exit-codes.ts";

/** As Markdown. What X-NPU-Proxy-Error says, the status in each API, OpenAI's type, and how a command ends. */
export function errorsTable(): string {
  const rows = errorCodes.map((code) => {
    const statuses = [statusOf(code, ollamaDialect), statusOf(code, openaiDialect)];
    return `| \`${code}\` | ${statuses.join(" | ")} | \`${openaiType(code)}\` | ${exitCodeOf(code)} |`;
  });
  return ["| code | Ollama | OpenAI | `type` | exit |", "|---|---|---|---|---|", ...rows].join("\n");
}
