/** What a request asks of an embedder, in whichever API. */
import type { Context } from "hono";
import { type EmbedRequest, MOST_INPUTS } from "../core/embedding/embedding.ts";
import { ProxyError } from "../core/errors.ts";
import type { Purpose } from "../core/model.ts";
import { wishOf } from "../core/routing/wish.ts";
import type { ServerEnv } from "./exchange.ts";
import type { ServerOptions } from "./options.ts";
import { type Wishes, wishesOf } from "./wishes.ts";

export type AskedEmbeddings = Wishes & Pick<EmbedRequest, "inputs" | "purpose" | "truncate" | "dimensions">;

/** What other servers call it (Cohere, Jina, NVIDIA), and what we understand by it. */
const PURPOSES: Readonly<Record<string, Purpose | undefined>> = {
  query: "query",
  search_query: "query",
  document: "document",
  search_document: "document",
  passage: "document",
  classification: undefined,
  clustering: undefined,
};

/** @throws ProxyError invalid_request */
export function purposeOf(type: unknown, param = "input_type"): { readonly purpose?: Purpose } {
  if (type === undefined || type === null) return {};
  if (typeof type !== "string" || !Object.hasOwn(PURPOSES, type))
    throw new ProxyError("invalid_request", `${param} must be one of ${Object.keys(PURPOSES).join(", ")}`, { param });
  const purpose = PURPOSES[type];
  return purpose === undefined ? {} : { purpose };
}

/** Its model is the one of the settings where none is named. @param device of Ollama's `options`, which the others win over */
export function embeddingWishes(
  c: Context<ServerEnv>,
  { embeddingModel }: Pick<Required<ServerOptions>, "embeddingModel">,
  asked: { readonly model?: string | null | undefined; readonly keep_alive?: number | string | null | undefined },
  device?: string,
): Wishes {
  const named = wishOf(asked.model ?? "", undefined);
  const model = named.model === "" || named.model === "default" ? embeddingModel : named.model;
  const at = named.device ?? device;
  c.get("exchange").model = asked.model || model;
  return wishesOf(c, { ...asked, model: at === undefined ? model : `${wishOf(model, undefined).model}@${at}` });
}

/** @throws ProxyError invalid_request where there are more than one request takes */
export function refuseTooMany(count: number, param: string): void {
  if (count <= MOST_INPUTS) return;
  throw new ProxyError(
    "invalid_request",
    `${param} has ${count} elements, and a request takes ${MOST_INPUTS}; send several, or use /api/embed/bulk.`,
    { param },
  );
}
