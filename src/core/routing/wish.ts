/** The device that a caller asks for: a header, or a suffix of the model's name. Pure. */
import { ProxyError } from "../errors.ts";
import type { Device } from "../request.ts";

const DEVICE = "NPU|GPU(?:\\.\\d+)?|CPU";
const NAME = new RegExp(`^(?:${DEVICE}|AUTO)$`);
/** Whatever else follows an @ is a revision of the model. */
const SUFFIX = new RegExp(`@(${DEVICE}|AUTO)$`, "i");

export interface Wish {
  /** The name without the suffix. */
  readonly model: string;
  /** In upper case; undefined: the caller leaves it to the router. */
  readonly device: Device | undefined;
}

/**
 * "demo@cpu", "org/model:tag@GPU.1", "demo@auto" (no wish), "demo@v2@npu" (of revision v2). A header with a value wins
 * over the suffix, "auto" too; an empty one counts as absent.
 * @param header the value of X-NPU-Proxy-Device
 * @throws ProxyError invalid_request: the header names no device
 */
export function wishOf(model: string, header: string | undefined): Wish {
  const suffix = SUFFIX.exec(model);
  const name = suffix ? model.slice(0, suffix.index) : model;
  const asked = header?.trim().toUpperCase() || suffix?.[1]?.toUpperCase() || "AUTO";
  if (!NAME.test(asked))
    throw new ProxyError(
      "invalid_request",
      `The header X-NPU-Proxy-Device is ${JSON.stringify(header?.trim().slice(0, 60))}. ` +
        "Expected NPU, GPU, GPU.n (e.g. GPU.1), CPU or auto; without the header the server chooses.",
      { param: "X-NPU-Proxy-Device" },
    );
  return { model: name, device: asked === "AUTO" ? undefined : asked };
}
