/** Who makes a model that OpenVINO reads of a repository's safetensors: npu-proxy itself, optimum-cli, or optimum-cli by uvx. */
import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readBertConfig } from "../../core/bert-config.ts";
import { ProxyError } from "../../core/errors.ts";
import type { EncoderConverter } from "../../core/library.ts";
import type { ModelKind } from "../../core/model.ts";
import { runTool } from "./tool.ts";

export type ConversionPlan =
  /** `command`: what it amounts to, for people and manifests; no path of this machine. */
  | { readonly with: "own" | "optimum-cli" | "uvx"; readonly command: string; readonly kind: ModelKind }
  /** `advice`: a sentence that says what is missing and what to do, the command included. */
  | { readonly with: "nothing"; readonly advice: string };

export interface Converter {
  /**
   * @param files of the repository
   * @param config its config.json, parsed
   * @param repository "organisation/name", for the command in the advice
   */
  plan(
    files: readonly { readonly path: string; readonly size: number }[],
    config: unknown,
    kind: ModelKind,
    repository?: string,
  ): ConversionPlan;
  /**
   * Converts and tells how it goes, line by line. Leaving early, or the signal, ends every process of it. A conversion that
   * failed leaves no `into` behind.
   * @param folder the repository's files
   * @param into a folder for the result; made where it is missing
   * @throws ProxyError conversion_failed, runtime_*
   */
  convert(
    folder: string,
    into: string,
    plan: Exclude<ConversionPlan, { readonly with: "nothing" }>,
    signal: AbortSignal,
  ): AsyncIterable<string>;
}

export interface ConverterOptions {
  readonly own: EncoderConverter;
  /** NPU_PROXY_AUTO_CONVERT. */
  readonly mode: "auto" | "off";
  /** Finds a program on the PATH. */
  readonly which?: (program: string) => string | null;
}

const LAUNCHERS = {
  "optimum-cli": ["optimum-cli"],
  uvx: ["uvx", "--from", "optimum-intel[openvino]", "optimum-cli"],
} as const;

/** INT4 as the NPU wants it for language models; f16 for encoders, which are small; optimum's own choice for the rest. */
const ARGUMENTS: Readonly<Record<ModelKind, readonly string[]>> = {
  llm: ["--task", "text-generation-with-past", "--weight-format", "int4", "--sym", "--group-size", "128"],
  embedding: ["--task", "feature-extraction", "--library", "transformers", "--weight-format", "fp16"],
  rerank: ["--task", "text-classification", "--library", "transformers", "--weight-format", "fp16"],
  vlm: ["--task", "image-text-to-text"],
  speech: ["--task", "automatic-speech-recognition-with-past"],
};

/** Beside a converted model: its licence, and how its vectors are pooled. */
const DESCRIPTION =
  /^((licen[cs]e|notice|copying|use_policy)[^/]*|(?!tokenizer\.json$|vocab\.json$|.*\.index\.json$)[^/]+\.json|\d_[A-Za-z]+\/config\.json)$/i;

/** A converter; it looks for the tools each time that it plans, so that one installed meanwhile is found. */
export function createConverter({ own, mode, which = Bun.which }: ConverterOptions): Converter {
  return {
    plan(files, config, kind, repository = "REPOSITORY") {
      const byHand = displayed(LAUNCHERS.uvx, kind, repository);
      const then = `\`${byHand}\`, then \`npu-proxy import DIR\``;
      if (mode === "off")
        return { with: "nothing", advice: `NPU_PROXY_AUTO_CONVERT is off. Set it to auto, or run ${then}.` };
      const has = (path: string): boolean => files.some((file) => file.path === path);
      const whole = has("model.safetensors") && (has("tokenizer.json") || has("vocab.txt"));
      if (whole && typeof readBertConfig(config) !== "string")
        return { with: "own", command: "npu-proxy (f16, its own converter)", kind };
      const tool = (["optimum-cli", "uvx"] as const).find((program) => which(program) !== null);
      if (tool) return { with: tool, command: displayed(LAUNCHERS[tool], kind, repository), kind };
      return {
        with: "nothing",
        advice:
          "neither optimum-cli nor uvx is on the PATH. Install uv, which brings uvx, and pull again; or, where they are, " +
          `run ${then}.`,
      };
    },

    async *convert(folder, into, plan, signal) {
      signal.throwIfAborted();
      let done = false;
      try {
        await mkdir(into, { recursive: true });
        if (plan.with === "own") {
          yield "converting the weights to OpenVINO's format, f16";
          await own.convertEncoder(folder, into, signal);
        } else {
          const [program, ...launch] = LAUNCHERS[plan.with];
          const command = [which(program) ?? program, ...launch, ...exportArguments(plan.kind, folder, into)];
          yield plan.command;
          yield* runTool(command, { name: plan.with, byHand: plan.command }, signal);
        }
        await requireModel(into, plan.with);
        await describe(folder, into);
        done = true;
      } finally {
        if (!done) await rm(into, { recursive: true, force: true });
      }
    },
  };
}

function exportArguments(kind: ModelKind, model: string, into: string): readonly string[] {
  return ["export", "openvino", "--model", model, ...ARGUMENTS[kind], into];
}

function displayed(launcher: readonly string[], kind: ModelKind, repository: string): string {
  return [...launcher, ...exportArguments(kind, repository, "DIR")]
    .map((word) => (/[[\]\s]/.test(word) ? `'${word}'` : word))
    .join(" ");
}

/** A tool that ended well may still have made something else. */
async function requireModel(folder: string, tool: string): Promise<void> {
  const files = await readdir(folder);
  if (files.some((name) => /^openvino_.*model\.xml$/.test(name) && files.includes(name.replace(/xml$/, "bin")))) return;
  throw new ProxyError(
    "conversion_failed",
    `${tool} ended without an error and without an OpenVINO model. Pull an OpenVINO repository of this model instead.`,
    { detail: files.join(" ") },
  );
}

/** Copies what describes the model, where the converter wrote none of its own. */
async function describe(folder: string, into: string): Promise<void> {
  const written = new Set(await readdir(into, { recursive: true }));
  for (const name of await readdir(folder, { recursive: true })) {
    if (!DESCRIPTION.test(name.replaceAll("\\", "/")) || written.has(name)) continue;
    await mkdir(dirname(join(into, name)), { recursive: true });
    await copyFile(join(folder, name), join(into, name));
  }
}
