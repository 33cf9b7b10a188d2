/** Which files of a repository a pull takes: those that serving needs, or those that a conversion needs. Pure. */
import { ProxyError } from "../../core/errors.ts";
import type { HubFile } from "../hub/hub-file.ts";
import { hasUnreadableName, READABLE } from "../inspect/gguf-types.ts";
import { DEFAULT_TAG } from "../reference.ts";
import { MANIFEST } from "../store/manifest.ts";

export interface Selection {
  /** "source": weights that have to be converted first. */
  readonly format: "openvino" | "gguf" | "source";
  readonly files: readonly HubFile[];
}

/** Of a repository's GGUF files the one that a name without a tag means: what GenAI reads fast, of good quality first. */
const GGUF_DEFAULTS = ["Q4_K_M", "Q4_0", "Q4_K_S", "Q8_0", "Q6_K", "Q4_1", "F16"];

const IR = /^openvino_[^/]*\.(xml|bin)$/;
const IR_GRAPH = /^openvino_(?!tokenizer\.|detokenizer\.)[^/]*\.xml$/;
const LICENSE = /^(licen[cs]e|notice|copying|use_policy)[^/]*$/i;
/** Tokenizers, templates and configurations; index files describe weights that are not taken. */
const DESCRIPTION = /^([^/]+\.jinja|[^/]+\.model|vocab\.txt|merges\.txt|(?!.*\.index\.json$)[^/]+\.json)$/;
/** What sentence-transformers keeps about pooling and normalizing, beside modules.json. */
const MODULE = /^[0-9]_[A-Za-z]+\/config\.json$/;
const WEIGHTS = /^[^/]+\.safetensors(\.index\.json)?$/;
/** Projectors of images, and pieces of a file that GenAI cannot read in pieces. */
const NO_MODEL = /^mmproj|-\d{5}-of-\d{5}\.gguf$/i;
/** In an error's list. */
const MOST_NAMES = 12;

/**
 * @param tag "latest", a quantization or the name of a GGUF file
 * @throws ProxyError model_not_found where the repository holds nothing of that kind, with what it holds; model_invalid for a
 * GGUF type that GenAI cannot read
 */
export function selectFiles(repository: string, all: readonly HubFile[], tag: string): Selection {
  // Hidden files are none of a model's in the store: one that was counted would make it look changed by hand.
  const files = all.filter(({ path }) => path.toLowerCase() !== MANIFEST && !path.startsWith("."));
  const ggufs = files.filter(({ path }) => /^[^/]+\.gguf$/i.test(path) && !NO_MODEL.test(path));
  const hasIr = files.some(({ path }) => IR_GRAPH.test(path) && files.some((other) => other.path === binOf(path)));
  const readable = ggufs.filter(({ path }) => !hasUnreadableName(path));
  if (tag === DEFAULT_TAG ? readable.length > 0 && !hasIr : ggufs.length > 0)
    return {
      format: "gguf",
      files: [
        chooseGguf(repository, tag === DEFAULT_TAG ? readable : ggufs, tag),
        ...files.filter(({ path }) => LICENSE.test(path)),
      ],
    };
  if (tag !== DEFAULT_TAG)
    throw new ProxyError(
      "model_not_found",
      `${repository} has no GGUF files, so "${tag}" names nothing in it. Pull it without the tag.`,
    );
  const isDescription = ({ path }: HubFile): boolean => [DESCRIPTION, LICENSE, MODULE].some((kind) => kind.test(path));
  if (hasIr) return { format: "openvino", files: files.filter((file) => IR.test(file.path) || isDescription(file)) };
  if (files.some(({ path }) => path.endsWith(".safetensors") && WEIGHTS.test(path)))
    return { format: "source", files: files.filter((file) => WEIGHTS.test(file.path) || isDescription(file)) };
  if (ggufs.length > 0) throw unreadable(repository, ggufs, []);
  throw new ProxyError(
    "model_not_found",
    `${repository} has no model that can be served: neither openvino_*.xml with its .bin, nor one .gguf file, nor safetensors. \`npu-proxy search\` finds those that can.`,
  );
}

function binOf(path: string): string {
  return path.replace(/\.xml$/, ".bin");
}

function chooseGguf(repository: string, ggufs: readonly HubFile[], tag: string): HubFile {
  const named = (wanted: string): HubFile | undefined =>
    ggufs.find(({ path }) => {
      const name = path.toLowerCase();
      return (
        name === wanted.toLowerCase() || new RegExp(`(^|[._-])${literally(wanted.toLowerCase())}\\.gguf$`).test(name)
      );
    });
  const wanted = tag === DEFAULT_TAG ? [DEFAULT_TAG, ...GGUF_DEFAULTS] : [tag];
  const found =
    wanted.map(named).find((file) => file !== undefined) ?? (tag === DEFAULT_TAG ? smallest(ggufs) : undefined);
  if (found && hasUnreadableName(found.path))
    throw unreadable(
      repository,
      [found],
      ggufs.filter(({ path }) => !hasUnreadableName(path)),
    );
  if (found) return found;
  throw new ProxyError("model_not_found", `${repository} has no GGUF file for "${tag}". It has ${namesOf(ggufs)}.`);
}

function unreadable(repository: string, files: readonly HubFile[], others: readonly HubFile[]): ProxyError {
  return new ProxyError(
    "model_invalid",
    `The weights of ${namesOf(files)} of ${repository} cannot be read; GGUF files of ${READABLE.join(", ")} can. ` +
      (others.length > 0
        ? `It has ${namesOf(others)}.`
        : "Pull the same model for OpenVINO instead (`npu-proxy search` finds it)."),
  );
}

function namesOf(files: readonly HubFile[]): string {
  const names = files.map(({ path }) => path).slice(0, MOST_NAMES);
  return names.join(", ") + (files.length > names.length ? " and others" : "");
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function smallest(files: readonly HubFile[]): HubFile | undefined {
  return [...files].sort((a, b) => a.size - b.size)[0];
}
