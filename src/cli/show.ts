/** `npu-proxy show MODEL`: what a model is, and what it can run on. */
import type { Config } from "../config.ts";
import type { ShowAnswer } from "./answers.ts";
import { openClient } from "./connect.ts";
import { print, withoutControls } from "./output.ts";
import { humanSize, wrapped } from "./table.ts";

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
    await print(withoutControls(described(model, answer)));
  } finally {
    await client.close();
  }
}

function described(model: string, answer: ShowAnswer): string {
  const missing =
    answer.pulled !== false ? "" : `Not pulled; this is what the hub tells. To fetch it: npu-proxy pull ${model}\n`;
  const sections = [
    missing,
    section("Model", facts(modelFacts(answer))),
    section("Runs on", (answer.fitness ?? []).map(verdict)),
    section("Capabilities", answer.capabilities ?? []),
    section("Instructions", facts(Object.entries(answer.instructions ?? {}).map(quoted))),
    section("Cache of embeddings", facts(cacheFacts(answer))),
    section("Parameters", answer.parameters?.split("\n") ?? []),
    section("System", answer.system?.split("\n") ?? []),
    section("Source", facts(sourceFacts(answer))),
    section("License", answer.license?.split("\n").slice(0, 2) ?? []),
  ];
  return sections.filter(Boolean).join("\n");
}

function modelFacts({ model_info: info = {}, details, ...answer }: ShowAnswer): [string, string][] {
  const told = (suffix: string): string => {
    const [, value] = Object.entries(info).find(([key]) => key.endsWith(suffix)) ?? [];
    return value === undefined || value === null ? "" : String(value);
  };
  const family = told("general.architecture") || (details?.family ?? "");
  const written = Object.entries(answer.exporter ?? {});
  const embeds = answer.kind === "embedding";
  return [
    ["architecture", [family, answer.architecture && `(${answer.architecture})`].filter(Boolean).join(" ")],
    ["kind", answer.kind ?? ""],
    ["format", answer.pulled === false ? "" : (details?.format ?? "")],
    ["parent", details?.parent_model ?? ""],
    ["parameters", details?.parameter_size ?? ""],
    ["quantization", quantization(details?.quantization_level ?? "", told(".group_size"), told(".symmetric"))],
    [embeds ? "max length" : "context length", told(".context_length")],
    [embeds ? "dimensions" : "embedding length", dimensions(told(".embedding_length"), answer.shortens)],
    ["pooling", told(".pooling")],
    ["exported by", written.map(([name, version]) => `${name} ${version}`).join(", ")],
  ];
}

function dimensions(length: string, shortens = false): string {
  return length && shortens ? `${length}, or fewer` : length;
}

/** Of a server that has embedded something. */
function cacheFacts({ embedding_cache: cache }: ShowAnswer): [string, string][] {
  if (!cache || cache.hits + cache.misses === 0) return [];
  return [
    ["entries", `${cache.entries} (${humanSize(cache.bytes)})`],
    ["hits", `${cache.hits} of ${cache.hits + cache.misses}`],
  ];
}

/** An instruction may end in a space that matters. */
function quoted([name, text]: [string, string]): [string, string] {
  return [name, JSON.stringify(text)];
}

/** "INT4, symmetric, group 128". */
function quantization(level: string, group: string, symmetric: string): string {
  const kind = { true: "symmetric", false: "asymmetric" }[symmetric] ?? "";
  const scale = group === "-1" ? "channel-wise" : group && `group ${group}`;
  return [level, kind, scale].filter(Boolean).join(", ");
}

function sourceFacts({ source, pulled_at: pulledAt }: ShowAnswer): [string, string][] {
  if (!source) return [];
  return [
    ["hub", source.hub ?? ""],
    ["repository", source.repository],
    ["revision", source.revision ?? ""],
    ["commit", source.commit?.slice(0, 12) ?? ""],
    ["pulled", pulledAt?.slice(0, 10) ?? ""],
  ];
}

function verdict({ device, fits, reason }: NonNullable<ShowAnswer["fitness"]>[number]): string {
  return `${device.padEnd(4)}${fits ? "yes" : "no"}${reason && `: ${reason}`}`;
}

function facts(pairs: readonly (readonly [string, string])[]): string[] {
  return pairs.filter(([, value]) => value !== "").map(([name, value]) => `${name.padEnd(18)}${value}`);
}

function section(title: string, lines: readonly string[]): string {
  const filled = lines.filter((line) => line.trim() !== "");
  const body = filled.map((line) => `${wrapped(`  ${line.trim()}`, 6)}\n`).join("");
  return filled.length === 0 ? "" : `${title}\n${body}`;
}
