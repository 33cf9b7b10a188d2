import type { Model } from "../core/model.ts";
import type { ModelRequest } from "../core/ports.ts";
import type { Prompt, Sampling } from "../core/request.ts";
import type { Admission } from "../core/scheduling/schedule.ts";
import type { Wishes } from "./wishes.ts";

/** What a request asks for, in whichever API. */
export interface Asked extends Wishes {
  readonly prompt: Prompt;
  /** What the request itself says. */
  readonly sampling: Sampling;
  /** What its API says where neither the request nor the model does. */
  readonly defaults?: Sampling;
  /** Ollama's num_ctx, as given: of what is no number above 0 Ollama takes no notice. */
  readonly numCtx: unknown;
  /** How many answers; each is a generation of its own. 1 where absent. */
  readonly choices?: number;
  readonly stream: boolean;
  readonly truncate: boolean;
}

/** The runtime's request for (one of) the answers, once its model is known. */
export function requestOf({ numCtx, defaults, choices = 1, ...asked }: Asked, found: Model, id: string): ModelRequest {
  const context = numCtx ?? found.recipe?.parameters?.["num_ctx"];
  return {
    ...asked,
    id,
    found,
    sampling: { ...defaults, ...found.defaults, ...asked.sampling },
    ...(typeof context === "number" && context >= 1 && { contextLength: Math.trunc(context) }),
    ...(choices > 1 && { needs: ["n"] }),
  };
}

/** One request for each choice. From one given seed they would all say the same: each takes the next. */
export function requestsOf(asked: Asked, found: Model, id: string, admission: Admission): readonly ModelRequest[] {
  const { choices = 1 } = asked;
  const request = requestOf(asked, found, id);
  if (choices === 1) return [{ ...request, admission }];
  const { seed } = request.sampling;
  return Array.from({ length: choices }, (_, choice) => ({
    ...request,
    id: `${id}-${choice}`,
    ...(seed !== undefined && { sampling: { ...request.sampling, seed: seed + choice } }),
    // One place was taken: the others each ask for their own.
    ...(choice === 0 && { admission }),
  }));
}
