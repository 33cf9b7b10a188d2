/** `npu-proxy show MODEL`: what a model is. */
import type { Config } from "../config.ts";
import { openClient } from "./client.ts";
import { print, withoutControls } from "./output.ts";

/** Prints what a model is, or the server's JSON. @throws ProxyError model_not_found, or what the server tells */
export async function show(
  config: Config,
  model: string,
  options: { readonly json: boolean },
  signal: AbortSignal,
): Promise<void> {
  const client = await openClient(config, signal);
  try {
    const answer = await client.show(model, signal);
    if (options.json) return await print(`${JSON.stringify(answer, null, 2)}\n`);
    const info = (suffix: string): string => {
      const [, value] = Object.entries(answer.model_info ?? {}).find(([key]) => key.endsWith(suffix)) ?? [];
      return value === undefined ? "" : String(value);
    };
    const facts: [string, string][] = [
      ["architecture", info("general.architecture") || (answer.details?.family ?? "")],
      ["parameters", answer.details?.parameter_size ?? ""],
      ["quantization", answer.details?.quantization_level ?? ""],
      ["context length", info(".context_length")],
      ["embedding length", info(".embedding_length")],
    ];
    const sections = [
      section(
        "Model",
        facts.filter(([, value]) => value !== "").map(([name, value]) => `${name.padEnd(18)}${value}`),
      ),
      section("Capabilities", answer.capabilities ?? []),
      section("Parameters", answer.parameters?.split("\n") ?? []),
      section("License", answer.license?.split("\n").slice(0, 2) ?? []),
    ];
    await print(withoutControls(sections.filter(Boolean).join("\n")));
  } finally {
    await client.close();
  }
}

function section(title: string, lines: readonly string[]): string {
  const filled = lines.filter((line) => line.trim() !== "");
  return filled.length === 0 ? "" : `${[title, ...filled.map((line) => `  ${line.trim()}`)].join("\n")}\n`;
}
