/** The commands that find, fetch, keep and remove models. */
import { type Command, Option } from "commander";
import type { SearchQuery } from "../core/library.ts";
import type { CacheOptions } from "./cache.ts";
import {
  between,
  CLIENT_SETTINGS,
  clientConfig,
  type Options,
  type Perform,
  STORE_SETTINGS,
  withSettings,
} from "./options.ts";
import type { PullOptions } from "./pull.ts";

/** The flags of search; what is not given is not asked for. */
type SearchOptions = Omit<SearchQuery, "text"> & Options & { readonly json: boolean };

const NAMES = `
A name is one of the catalogue (tinyllama, tinyllama:fp16) or a repository of the hub (OpenVINO/Qwen3-8B-int4-ov),
with a revision where it matters (OpenVINO/Qwen3-8B-int4-ov@main). Without a tag the variant for this machine's
devices is taken. npu-proxy search finds names.

Settings of the environment: HF_ENDPOINT, HF_TOKEN, HTTPS_PROXY, NPU_PROXY_MODEL_PATH, NPU_PROXY_AUTO_CONVERT;
see npu-proxy serve --help. A running server has its own.`;

const KEEP_IR = "keep a GGUF model in OpenVINO's format beside the file, too: it loads faster";

/** Adds pull, search, create, cp, rm, import, verify, prune and rollback. */
export function addModelCommands(program: Command, perform: Perform): void {
  program.commandsGroup("Models:");

  withSettings(program.command("pull").description("fetch a model"), CLIENT_SETTINGS)
    .argument("<model>", "name of the model")
    .option("--ir", KEEP_IR, false)
    .option("--no-warm", "do not compile it for the NPU or GPU now: its first request then waits for that")
    .option("--json", "print the server's NDJSON lines", false)
    .addHelpText("after", NAMES)
    .action((model: string, options: Options & PullOptions) =>
      perform(async (signal) => (await import("./pull.ts")).pull(clientConfig(options), model, options, signal)),
    );

  withSettings(program.command("search").description("find models to pull"), CLIENT_SETTINGS)
    .argument("[text...]", "words that the name must have; none: the most popular")
    .addOption(new Option("--kind <kind>", "what it is for").choices(["llm", "embedding", "rerank", "vlm", "speech"]))
    .option("--quantization <name>", "how its weights are stored: int4, int8, fp16 ...")
    .option("--min-downloads <number>", "least downloads", between(0, Number.MAX_SAFE_INTEGER))
    .option("--author <name>", "organisation or user that it is of")
    .addOption(
      new Option("--sort <order>", "what comes first")
        .choices(["popular", "newest", "downloads", "likes"])
        .default("popular"),
    )
    .option("--limit <number>", "most results, 1 to 100", between(1, 100), 20)
    .option("--offset <number>", "results to leave out at the beginning", between(0, Number.MAX_SAFE_INTEGER), 0)
    .option("--json", "print the server's JSON", false)
    .action((words: string[], options: SearchOptions) =>
      perform(async (signal) => {
        const query = { ...options, text: words.join(" ") };
        await (await import("./search.ts")).search(clientConfig(options, "error"), query, options, signal); // its answer says so itself
      }),
    );

  withSettings(program.command("create").description("make a model from another, a folder or a file"), CLIENT_SETTINGS)
    .argument("<name>", "name of the new model")
    .option("-f, --file <path>", "the Modelfile; - reads stdin", "Modelfile")
    .addHelpText("after", "\nFROM takes a model, or a folder or GGUF file (relative to the Modelfile's own folder).")
    .action((name: string, options: Options & { readonly file: string }) =>
      perform(async (signal) => (await import("./create.ts")).create(clientConfig(options), name, options, signal)),
    );

  withSettings(program.command("cp").description("give a model one more name"), CLIENT_SETTINGS)
    .argument("<source>", "name of the model")
    .argument("<name>", "its further name")
    .action((source: string, name: string, options: Options) =>
      perform(async (signal) => (await import("./copy.ts")).copy(clientConfig(options), source, name, signal)),
    );

  withSettings(program.command("rm").description("remove models"), CLIENT_SETTINGS)
    .argument("<models...>", "names of the models")
    .action((models: string[], options: Options) =>
      perform(async (signal) => (await import("./remove.ts")).remove(clientConfig(options), models, signal)),
    );

  withSettings(program.command("import").description("take a folder or a GGUF file into the store"), STORE_SETTINGS)
    .argument("<path>", "folder in OpenVINO's layout, or one GGUF file")
    .option("--name <name>", "name of the model (default: the folder's or the file's)")
    .option("--ir", KEEP_IR, false)
    .action((path: string, options: Options & { readonly name?: string; readonly ir: boolean }) =>
      perform(async (signal) =>
        (await import("./import.ts")).importModel(clientConfig(options), path, options, signal),
      ),
    );

  withSettings(program.command("verify").description("hash the files of models again"), STORE_SETTINGS)
    .argument("[model]", "name of the model; without it all of them")
    .option("--repair", "pull again what is broken", false)
    .action((model: string | undefined, options: Options & { readonly repair: boolean }) =>
      perform(async (signal) => (await import("./verify.ts")).verify(clientConfig(options), model, options, signal)),
    );

  withSettings(program.command("prune").description("remove what nothing needs any more"), STORE_SETTINGS)
    .option("-y, --yes", "do not ask", false)
    .action((options: Options & { readonly yes: boolean }) =>
      perform(async (signal) => (await import("./prune.ts")).prune(clientConfig(options), options, signal)),
    );

  withSettings(
    program.command("cache").description("list the models that were compiled for NPU and GPU"),
    STORE_SETTINGS,
  )
    .option("--prune", "remove what no load needs, and what the bound does not hold", false)
    .addOption(
      new Option("--clear", "remove all of them: the next loads compile again").default(false).conflicts("prune"),
    )
    .option("--json", "print JSON", false)
    .addHelpText(
      "after",
      "\nSettings of the environment: NPU_PROXY_COMPILE_CACHE_SIZE, NPU_PROXY_COMPILE_CACHE_DIR; see npu-proxy serve --help.",
    )
    .action((options: Options & CacheOptions) =>
      perform(async (signal) => (await import("./cache.ts")).cache(clientConfig(options), options, signal)),
    );

  withSettings(program.command("rollback").description("go back to the revision before the last pull"), STORE_SETTINGS)
    .argument("<model>", "name of the model")
    .action((model: string, options: Options) =>
      perform(async () => (await import("./rollback.ts")).rollback(clientConfig(options), model)),
    );
}
