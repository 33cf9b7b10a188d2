/** What a model on the hub is, from its small files alone: for who wants to know before pulling it. */
import { asProxyError, ProxyError } from "../../core/errors.ts";
import type { RemoteModel } from "../../core/library.ts";
import type { Hub } from "../hub/hub.ts";
import type { HubFile } from "../hub/hub-file.ts";
import type { ByteSource } from "./byte-source.ts";
import { chatTemplateOf } from "./chat-template.ts";
import { readEmbedder } from "./embedder.ts";
import { readEmbedderCard } from "./embedder-card.ts";
import { fitnessOf } from "./fitness.ts";
import { describeGguf } from "./gguf-model.ts";
import { servedAs } from "./inspect.ts";
import { type Json, LARGEST_CONFIG, readJsonObject } from "./json-file.ts";
import { contextOf, readModelConfig, samplingDefaults } from "./model-config.ts";
import { kindOf } from "./model-kind.ts";
import { type Quantization, quantizationOfConfig } from "./quantization.ts";
import { templateSupport } from "./template-support.ts";

/** A GGUF header has some megabytes, most of it the vocabulary: few requests, large ones. */
const GGUF_WINDOW = 4 << 20;

export type RemoteFacts = Omit<RemoteModel, "name">;

/**
 * Reads configuration files, never weights; of a GGUF file its header. What needs the graph is absent: parameters, exporter.
 * @param files those that a pull would take
 * @throws ProxyError of the hub; model_invalid where a file is no JSON, or GenAI cannot load that GGUF
 */
export async function inspectRemote(
  hub: Pick<Hub, "read" | "readRange">,
  repository: string,
  commit: string,
  files: readonly HubFile[],
  signal: AbortSignal,
  token?: string,
): Promise<RemoteFacts> {
  const names = files.map(({ path }) => path);
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const ggufs = files.filter(({ path }) => /\.gguf$/i.test(path));
  try {
    const [gguf] = ggufs;
    const openvino = names.some((name) => /^openvino_\w*model\.xml$/.test(name));
    if (gguf && ggufs.length === 1 && !openvino)
      return {
        size,
        ...(await describeGguf(sourceOf(hub, repository, commit, gguf, signal, token), { window: GGUF_WINDOW })),
      };
    const read = async (file: string): Promise<string | undefined> => {
      if (!names.includes(file)) return undefined;
      const content = await hub.read(repository, commit, file, LARGEST_CONFIG, signal, token);
      return new TextDecoder().decode(content);
    };
    return { size, ...(openvino && { format: "openvino" }), ...(await configured(repository, names, read)) };
  } catch (error) {
    if (error instanceof ProxyError && error.code === "model_invalid")
      throw new ProxyError("model_invalid", `'${repository}' cannot be served: ${error.message}`, { cause: error });
    if (error instanceof ProxyError || !(error instanceof Error) || error.name === "AbortError")
      throw asProxyError(error);
    throw new ProxyError("model_invalid", `'${repository}' is damaged on the hub: ${error.message}.`, { cause: error });
  }
}

async function configured(
  repository: string,
  names: readonly string[],
  read: (file: string) => Promise<string | undefined>,
): Promise<RemoteFacts> {
  const json = (file: string): Promise<Json | undefined> => readJsonObject(read, file);
  const config = readModelConfig((await json("config.json")) ?? {});
  const embedder = await readEmbedder(read);
  const kind = kindOf({ names, ...config, embedder: embedder !== undefined });
  const chatTemplate = await chatTemplateOf(read, undefined);
  const quantization =
    quantizationOfConfig((await json("openvino_config.json")) ?? {}) ?? quantizationOfName(repository);
  const { name = "", ...details } = quantization ?? {};
  const generation = await json("generation_config.json");
  return {
    ...servedAs(kind, templateSupport(chatTemplate)),
    family: config.family,
    architecture: config.architecture,
    ...(name !== "" && { quantization: name }),
    ...details,
    ...contextOf(config, embedder),
    embeddingLength: embedder?.dimensions ?? config.embeddingLength,
    kvValuesPerToken: config.kvValuesPerToken,
    chatTemplate,
    defaults: samplingDefaults(generation ?? {}),
    ...(kind === "embedding" && embedder?.pooling !== undefined && { pooling: embedder.pooling }),
    ...(kind === "embedding" && (await readEmbedderCard(read, repository))),
    fitness: fitnessOf({ kind, format: "openvino", ...config, quantization: name, ...details, parameters: 0 }),
  };
}

/** "…-int4-cw-ov": how OpenVINO's own repositories are named; "cw" is channel-wise and symmetric. */
function quantizationOfName(repository: string): Quantization | undefined {
  const found = /[-_](int[48]|fp16|fp32|bf16|nf4)(?:[-_](cw))?(?=[-_]|$)/i.exec(repository);
  if (!found?.[1]) return undefined;
  const name = found[1].toUpperCase().replace("FP", "F");
  return { name, ...(found[2] !== undefined && { groupSize: -1, symmetric: true }) };
}

function sourceOf(
  hub: Pick<Hub, "readRange">,
  repository: string,
  commit: string,
  { path, size }: HubFile,
  signal: AbortSignal,
  token: string | undefined,
): ByteSource {
  return {
    size,
    read: (position, length) => hub.readRange(repository, commit, path, { position, length }, signal, token),
  };
}
