/** `npu-proxy cache`: the models that were compiled for NPU and GPU, and what of them can go. */
import pins from "../../build/pins.json";
import type { Config } from "../config.ts";
import { type CompiledModel, type Needed, surplus, uselessness } from "../core/compiled.ts";
import type { Inventory } from "../core/model.ts";
import { createLog } from "../log.ts";
import { composeCompiled, composeModels } from "./compose.ts";
import { print, withoutControls } from "./output.ts";
import { humanAge, humanSize, table } from "./table.ts";

export interface CacheOptions {
  readonly json: boolean;
  readonly prune: boolean;
  readonly clear: boolean;
}

const MIB = 2 ** 20;

/** Lists what is compiled; before that with `prune` removes what no load needs or the bound does not hold, with `clear` all.
 *  Works on the folder itself, whether a server runs or not. */
export async function cache(config: Config, options: CacheOptions, signal: AbortSignal): Promise<void> {
  const folder = composeCompiled(config);
  const most = config.compileCacheSize * MIB;
  const found = await folder.list();
  const condemned: readonly Condemned[] = options.clear
    ? found.map((model) => ({ model, why: "cleared" }))
    : options.prune
      ? doomed(found, needed(await inventory(config)), most)
      : [];
  const removed: Condemned[] = [];
  for (const each of condemned) {
    signal.throwIfAborted();
    if (await folder.remove(each.model.key)) removed.push(each);
  }
  const left = await folder.list();
  if (options.json) return await print(`${JSON.stringify(asJson(left, removed, most), null, 2)}\n`);
  for (const { model, why } of removed)
    await print(withoutControls(`Removed ${nameOf(model)} (${humanSize(model.bytes)}): ${why}.\n`));
  if ((options.prune || options.clear) && removed.length === 0) await print("There is nothing to remove.\n");
  if (left.length > 0) await print(listed(left));
  await print(`${total(left, most)}\n`);
}

interface Condemned {
  readonly model: CompiledModel;
  readonly why: string;
}

/** What nothing will load, then of the rest what was not used for longest. */
function doomed(models: readonly CompiledModel[], what: Needed, most: number): readonly Condemned[] {
  const useless = models.flatMap((model) => {
    const why = uselessness(model, what);
    return why === undefined ? [] : [{ model, why }];
  });
  const rest = models.filter((model) => !useless.some((each) => each.model === model));
  return [...useless, ...surplus(rest, most).map((model) => ({ model, why: "unused for longest" }))];
}

async function inventory(config: Config): Promise<Inventory> {
  const { store, engines } = composeModels(config, createLog(config.logLevel));
  try {
    return await store.inventory();
  } finally {
    await engines.close();
  }
}

function needed({ models, damaged }: Inventory): Needed {
  return {
    openvino: pins.openvino,
    digests: new Set(models.map(({ digest }) => digest)),
    damaged: new Set(damaged.map(({ name }) => name)),
  };
}

function listed(models: readonly CompiledModel[]): string {
  const now = new Date();
  const rows = models
    .toSorted((a, b) => b.used.getTime() - a.used.getTime())
    .map((model) => [
      nameOf(model),
      model.origin?.device ?? "-",
      driverOf(model) || "-",
      humanSize(model.bytes),
      model.inUse ? "in use" : humanAge(model.used, now),
    ]);
  return table(["MODEL", "DEVICE", "DRIVER", "SIZE", "LAST USED"], rows);
}

function total(models: readonly CompiledModel[], most: number): string {
  const bound = most > 0 ? `of ${humanSize(most)} at most` : "nothing more is kept";
  return `${humanSize(sum(models))} in all, ${bound} (NPU_PROXY_COMPILE_CACHE_SIZE).`;
}

function asJson(models: readonly CompiledModel[], removed: readonly Condemned[], most: number) {
  return {
    models: models.map((model) => ({
      key: model.key,
      model: model.origin?.model ?? null,
      digest: model.origin?.digest ?? null,
      device: model.origin?.device ?? null,
      architecture: model.origin?.architecture ?? null,
      driver: model.origin?.driver ?? null,
      emulated: model.origin?.emulated ?? null,
      openvino: model.origin?.openvino ?? null,
      max_prompt_tokens: model.origin?.maxPromptTokens ?? null,
      context_length: model.origin?.contextLength ?? null,
      size: model.bytes,
      last_used: model.used.toISOString(),
      in_use: model.inUse,
    })),
    size: sum(models),
    limit: most,
    removed: removed.map(({ model, why }) => ({
      key: model.key,
      model: model.origin?.model ?? null,
      size: model.bytes,
      why,
    })),
  };
}

function nameOf({ origin }: CompiledModel): string {
  return origin?.model ?? "(unknown)";
}

function driverOf({ origin }: CompiledModel): string | undefined {
  return origin?.emulated ? "emulated" : origin?.driver;
}

function sum(models: readonly CompiledModel[]): number {
  return models.reduce((bytes, model) => bytes + model.bytes, 0);
}
